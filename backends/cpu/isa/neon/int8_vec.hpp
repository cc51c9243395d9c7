// Four rows of a weight side by side, a word of four levels each. See avx2/int8_vec.hpp for what
// each function means.
#pragma once

#include "backends/cpu/isa/neon/vec.hpp"

namespace {

using Ints = int32x4_t;
using RowFloats = float32x4_t;
constexpr int kVecRows = 4;
constexpr int kInt8TileX = 5;
constexpr int kInt8MostX = kInt8TileX;
// Levels with a sign keep it, and those without have none that would be taken for one.
constexpr int kSignedOffsetShift = -1;

// The same bits as other numbers.
HADAL_INLINE uint32x4_t as_words(Ints x) { return vreinterpretq_u32_s32(x); }
HADAL_INLINE int16x8_t as_halves(Ints x) { return vreinterpretq_s16_s32(x); }
HADAL_INLINE int8x16_t as_bytes(Ints x) { return vreinterpretq_s8_s32(x); }
HADAL_INLINE Ints as_ints(uint32x4_t x) { return vreinterpretq_s32_u32(x); }
HADAL_INLINE Ints as_ints(int16x8_t x) { return vreinterpretq_s32_s16(x); }
HADAL_INLINE Ints as_ints(uint16x8_t x) { return vreinterpretq_s32_u16(x); }
HADAL_INLINE Ints as_ints(int8x16_t x) { return vreinterpretq_s32_s8(x); }
HADAL_INLINE Ints as_ints(uint8x16_t x) { return vreinterpretq_s32_u8(x); }

HADAL_INLINE Ints load_ints(const void* p) {
  return as_ints(vld1q_u8(static_cast<const uint8_t*>(p)));
}
HADAL_INLINE void store_ints(void* p, Ints x) {
  vst1q_u8(static_cast<uint8_t*>(p), vreinterpretq_u8_s32(x));
}
HADAL_INLINE RowFloats load_row_floats(const float* p) { return vld1q_f32(p); }
HADAL_INLINE void store_row_floats(float* p, RowFloats x) { vst1q_f32(p, x); }
HADAL_INLINE Ints broadcast_int(int32_t x) { return vdupq_n_s32(x); }
HADAL_INLINE RowFloats broadcast_row(float x) { return vdupq_n_f32(x); }
HADAL_INLINE RowFloats mul_rows(RowFloats a, RowFloats b) { return vmulq_f32(a, b); }
HADAL_INLINE RowFloats fma_rows(RowFloats a, RowFloats b, RowFloats c) {
  return vfmaq_f32(c, a, b);
}
HADAL_INLINE RowFloats to_floats(Ints x) { return vcvtq_f32_s32(x); }
HADAL_INLINE RowFloats as_floats(Ints bits) { return vreinterpretq_f32_s32(bits); }

HADAL_INLINE Ints and_ints(Ints a, uint32_t mask) {
  return vandq_s32(a, vdupq_n_s32(static_cast<int32_t>(mask)));
}
HADAL_INLINE Ints or_ints(Ints a, Ints b) { return vorrq_s32(a, b); }
HADAL_INLINE Ints xor_ints(Ints a, Ints b) { return veorq_s32(a, b); }
HADAL_INLINE Ints add_ints(Ints a, Ints b) { return vaddq_s32(a, b); }
HADAL_INLINE Ints sub_ints(Ints a, Ints b) { return vsubq_s32(a, b); }
HADAL_INLINE Ints mul_ints(Ints a, uint32_t b) {
  return vmulq_s32(a, vdupq_n_s32(static_cast<int32_t>(b)));
}
// By operators of the compiler: with the intrinsics for shifts that need not be constants it would
// keep a register of counts.
HADAL_INLINE Ints shift_ints_right(Ints x, int n) {
  return as_ints(as_words(x) >> static_cast<uint32_t>(n));
}
HADAL_INLINE Ints shift_halves_right(Ints x, int n) {
  return as_ints(vreinterpretq_u16_s32(x) >> static_cast<uint16_t>(n));
}
HADAL_INLINE Ints shift_ints_left(Ints x, int n) {
  return as_ints(as_words(x) << static_cast<uint32_t>(n));
}
HADAL_INLINE Ints mul_int_vectors(Ints a, Ints b) { return vmulq_s32(a, b); }
HADAL_INLINE Ints add_bytes_of(Ints a, Ints b) {
  return as_ints(vaddq_s8(as_bytes(a), as_bytes(b)));
}
HADAL_INLINE Ints sub_bytes(Ints a, Ints b) { return as_ints(vsubq_s8(as_bytes(a), as_bytes(b))); }
HADAL_INLINE Ints add_to_bytes(Ints x, int b) {
  return as_ints(vaddq_s8(as_bytes(x), vdupq_n_s8(static_cast<int8_t>(b))));
}
HADAL_INLINE Ints add_halves(Ints a, Ints b) {
  return as_ints(vaddq_s16(as_halves(a), as_halves(b)));
}
HADAL_INLINE Ints mul_halves(Ints a, Ints b) {
  return as_ints(vmulq_s16(as_halves(a), as_halves(b)));
}
HADAL_INLINE Ints signed_byte(Ints x, int i) { return shift_ints_left(x, 24 - 8 * i) >> 24; }
HADAL_INLINE Ints shuffle_words(Ints x, uint32_t order) {
  const uint32x4_t places = {0, 0x04040404, 0x08080808, 0x0c0c0c0c};
  const uint8x16_t index = vreinterpretq_u8_u32(vorrq_u32(vdupq_n_u32(order), places));
  return as_ints(vqtbl1q_s8(as_bytes(x), index));
}
HADAL_INLINE Ints sign_extend_high_bytes(Ints x) { return as_ints(vshrq_n_s16(as_halves(x), 8)); }
HADAL_INLINE Ints where_below(Ints x, int limit, Ints then, Ints otherwise) {
  return vbslq_s32(vcltq_s32(x, vdupq_n_s32(limit)), then, otherwise);
}
HADAL_INLINE uint8x16_t where_bits(Ints test, uint32_t bits) {
  return vtstq_u8(vreinterpretq_u8_s32(test), vreinterpretq_u8_u32(vdupq_n_u32(bits)));
}
HADAL_INLINE Ints add_where_bits(Ints x, Ints test, uint32_t bits, int value) {
  const uint8x16_t added =
      vandq_u8(where_bits(test, bits), vdupq_n_u8(static_cast<uint8_t>(value)));
  return as_ints(vaddq_u8(vreinterpretq_u8_s32(x), added));
}
HADAL_INLINE Ints mirror_where_bits(Ints x, Ints test, uint32_t bits, int sum) {
  const int8x16_t mirrored = vsubq_s8(vdupq_n_s8(static_cast<int8_t>(sum)), as_bytes(x));
  return as_ints(vbslq_s8(where_bits(test, bits), mirrored, as_bytes(x)));
}
HADAL_INLINE Ints select_bits(uint32_t mask, Ints a, Ints b) {
  return vbslq_s32(vdupq_n_u32(mask), a, b);
}
HADAL_INLINE Ints look_up_bytes(const int8_t* table, Ints index) {
  return as_ints(vqtbl1q_s8(vld1q_s8(table), vreinterpretq_u8_s32(index)));
}

HADAL_INLINE RowFloats low_f16(Ints x) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(as_words(x))));
}
HADAL_INLINE RowFloats high_f16(Ints x) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vshrn_n_u32(as_words(x), 16)));
}

struct Rows {
  const uint8_t* row[kVecRows];
};

HADAL_INLINE void load_4_words(const Rows& rows, int64_t offset, Ints* t) {
  Ints a[4];
  HADAL_UNROLL
  for (int r = 0; r < 4; ++r) a[r] = load_ints(rows.row[r] + offset);
  const auto even = [](Ints x, Ints y)
                        HADAL_LAMBDA { return vreinterpretq_s64_s32(vtrn1q_s32(x, y)); };
  const auto odd = [](Ints x, Ints y)
                       HADAL_LAMBDA { return vreinterpretq_s64_s32(vtrn2q_s32(x, y)); };
  t[0] = vreinterpretq_s32_s64(vtrn1q_s64(even(a[0], a[1]), even(a[2], a[3])));
  t[1] = vreinterpretq_s32_s64(vtrn1q_s64(odd(a[0], a[1]), odd(a[2], a[3])));
  t[2] = vreinterpretq_s32_s64(vtrn2q_s64(even(a[0], a[1]), even(a[2], a[3])));
  t[3] = vreinterpretq_s32_s64(vtrn2q_s64(odd(a[0], a[1]), odd(a[2], a[3])));
}
HADAL_INLINE void load_8_words(const Rows& rows, int64_t offset, Ints* t) {
  load_4_words(rows, offset, t);
  load_4_words(rows, offset + 16, t + 4);
}

HADAL_INLINE Ints load_word(const Rows& rows, int64_t offset) {
  int32_t w[kVecRows];
  HADAL_UNROLL
  for (int r = 0; r < kVecRows; ++r) __builtin_memcpy(&w[r], rows.row[r] + offset, 4);
  return Ints{w[0], w[1], w[2], w[3]};
}
HADAL_INLINE uint16x4_t load_halves(const Rows& rows, int64_t offset) {
  uint16_t h[kVecRows];
  HADAL_UNROLL
  for (int r = 0; r < kVecRows; ++r) __builtin_memcpy(&h[r], rows.row[r] + offset, 2);
  return uint16x4_t{h[0], h[1], h[2], h[3]};
}
HADAL_INLINE Ints load_half(const Rows& rows, int64_t offset) {
  return as_ints(vmovl_u16(load_halves(rows, offset)));
}
HADAL_INLINE RowFloats load_f16(const Rows& rows, int64_t offset) {
  return vcvt_f32_f16(vreinterpret_f16_u16(load_halves(rows, offset)));
}

template <bool is_signed>
HADAL_INLINE Ints prepare_levels(Ints w) {
  return w;
}

// Sums of four neighbouring products of bytes with signs, added to those of `sum`.
HADAL_INLINE Ints add_dot(Ints sum, int8x16_t a, int8x16_t b) {
#ifdef __ARM_FEATURE_DOTPROD
  return vdotq_s32(sum, a, b);
#else
  const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}

template <int most, bool is_signed>
struct Dot {
  static_assert(is_signed || most <= 127);
  Ints sum;
  HADAL_INLINE void begin(Ints from) { sum = from; }
  HADAL_INLINE void add(int, Ints w, Ints x) { sum = add_dot(sum, as_bytes(w), as_bytes(x)); }
};

HADAL_INLINE Ints add_products_of_halves(Ints sum, Ints a, Ints b) {
  const Ints low = vmull_s16(vget_low_s16(as_halves(a)), vget_low_s16(as_halves(b)));
  return vaddq_s32(sum, vpaddq_s32(low, vmull_high_s16(as_halves(a), as_halves(b))));
}

HADAL_INLINE int32_t largest_bits(const float* x, int n) {
  const Ints mask = vdupq_n_s32(0x7fffffff);
  Ints largest[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
  for (int i = 0; i < n; i += 8) {
    largest[0] = vmaxq_s32(largest[0], vandq_s32(load_ints(x + i), mask));
    largest[1] = vmaxq_s32(largest[1], vandq_s32(load_ints(x + i + 4), mask));
  }
  return vmaxvq_s32(vmaxq_s32(largest[0], largest[1]));
}
HADAL_INLINE void round_16(const float* x, float factor, int8_t* levels) {
  const auto four = [x, factor](int i) HADAL_LAMBDA {
    return vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), factor)));
  };
  vst1_s8(levels, vqmovn_s16(vcombine_s16(four(0), four(4))));
  vst1_s8(levels + 8, vqmovn_s16(vcombine_s16(four(8), four(12))));
}

HADAL_INLINE void sum_fours(const int8_t* levels, int n, int32_t* to) {
  for (int i = 0; i < n; i += 16) {
    const int16x8_t pairs = vpaddlq_s8(vld1q_s8(levels + i));
    vst1q_s32(to + i / 4, vpaddlq_s16(pairs));
  }
}

}  // namespace
