// Words for the compiler. HADAL_UNROLL says nothing where registers are too few to
// gain from it, nor under a sanitizer, whose checks on unrolled code take minutes to compile.
#pragma once

#define HADAL_INLINE [[gnu::always_inline]] inline
#define HADAL_LAMBDA __attribute__((always_inline))
#if !(defined(__AVX2__) || defined(__ARM_FEATURE_DOTPROD)) || defined(HADAL_SANITIZED)
#define HADAL_UNROLL
#elif defined(__clang__)
#define HADAL_UNROLL _Pragma("unroll")
#else
#define HADAL_UNROLL _Pragma("GCC unroll 16")
#endif
