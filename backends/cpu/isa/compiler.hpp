// Words for the compiler. HADAL_UNROLL says nothing where registers are too few to gain from it.
#pragma once

#define HADAL_INLINE [[gnu::always_inline]] inline
#define HADAL_LAMBDA __attribute__((always_inline))
#if defined(__clang__) && defined(__AVX2__)
#define HADAL_UNROLL _Pragma("unroll")
#elif defined(__AVX2__)
#define HADAL_UNROLL _Pragma("GCC unroll 16")
#else
#define HADAL_UNROLL
#endif
