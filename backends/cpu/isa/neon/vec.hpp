// Sixteen floats as four registers of NEON, sixteen bytes as one. See scalar/vec.hpp for what each
// function means and for the unnamed namespace.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "backends/cpu/isa/compiler.hpp"

namespace {

using Reg = float32x4_t;
constexpr int kRegLanes = 4;
constexpr bool kHasFusedProducts = true;
constexpr int kTileX = 6, kTileW = 4;  // of 32 registers 24 have sums
constexpr int kTileSums = 4, kTileCols = 4;

HADAL_INLINE Reg load_reg(const float* p) { return vld1q_f32(p); }
HADAL_INLINE void store_reg(float* p, Reg r) { vst1q_f32(p, r); }
HADAL_INLINE Reg zero_reg() { return vdupq_n_f32(0.0f); }
HADAL_INLINE Reg broadcast_reg(float x) { return vdupq_n_f32(x); }
HADAL_INLINE Reg add_reg(Reg a, Reg b) { return vaddq_f32(a, b); }
HADAL_INLINE Reg fma_reg(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }

struct Floats {
  Reg r[4];
};
using Bytes = uint8x16_t;

HADAL_INLINE Floats load(const float* p) {
  return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
HADAL_INLINE void store(float* p, Floats x) {
  HADAL_UNROLL
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.r[i]);
}
HADAL_INLINE Floats broadcast(float x) {
  const Reg r = vdupq_n_f32(x);
  return {{r, r, r, r}};
}
// x with each of its registers, and the one of y beside it, as `each` makes it.
template <class Each>
HADAL_INLINE Floats by_registers(Floats x, Floats y, Each&& each) {
  return {{each(x.r[0], y.r[0]), each(x.r[1], y.r[1]), each(x.r[2], y.r[2]), each(x.r[3], y.r[3])}};
}
HADAL_INLINE Floats mul(Floats a, Floats b) {
  return by_registers(a, b, [](Reg x, Reg y) HADAL_LAMBDA { return vmulq_f32(x, y); });
}
HADAL_INLINE Floats add(Floats a, Floats b) {
  return by_registers(a, b, [](Reg x, Reg y) HADAL_LAMBDA { return vaddq_f32(x, y); });
}
HADAL_INLINE Floats sub(Floats a, Floats b) {
  return by_registers(a, b, [](Reg x, Reg y) HADAL_LAMBDA { return vsubq_f32(x, y); });
}
HADAL_INLINE Floats div(Floats a, Floats b) {
  return by_registers(a, b, [](Reg x, Reg y) HADAL_LAMBDA { return vdivq_f32(x, y); });
}
HADAL_INLINE Floats fma(Floats a, Floats b, Floats c) {
  HADAL_UNROLL
  for (int i = 0; i < 4; ++i) c.r[i] = vfmaq_f32(c.r[i], a.r[i], b.r[i]);
  return c;
}
HADAL_INLINE float add_up(Floats x) {
  const Reg fours = vaddq_f32(vaddq_f32(x.r[0], x.r[2]), vaddq_f32(x.r[1], x.r[3]));
  const float32x2_t twos = vadd_f32(vget_low_f32(fours), vget_high_f32(fours));
  return vget_lane_f32(twos, 0) + vget_lane_f32(twos, 1);
}

// These instructions keep a NaN.
HADAL_INLINE Floats clamp(Floats x, float low, float high) {
  return by_registers(x, x, [low, high](Reg r, Reg) HADAL_LAMBDA {
    return vminq_f32(vmaxq_f32(r, vdupq_n_f32(low)), vdupq_n_f32(high));
  });
}
HADAL_INLINE Floats times_power_of_two(Floats x, Floats n) {
  return by_registers(x, n, [](Reg r, Reg e) HADAL_LAMBDA {
    const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(e), vdupq_n_s32(127));
    return vmulq_f32(r, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
  });
}

HADAL_INLINE Bytes load_bytes(const uint8_t* p) { return vld1q_u8(p); }
HADAL_INLINE Bytes sixteen_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return vreinterpretq_u8_u32(uint32x4_t{a, b, c, d});
}
HADAL_INLINE Bytes eight_bytes(uint32_t a, uint32_t b) { return sixteen_bytes(a, b, 0, 0); }
HADAL_INLINE Bytes shift_right(Bytes x, int n_bits, int mask) {
  return vandq_u8(vshlq_u8(x, vdupq_n_s8(static_cast<int8_t>(-n_bits))),
                  vdupq_n_u8(static_cast<uint8_t>(mask)));
}
HADAL_INLINE Bytes shift_left(Bytes x, int n_bits, int mask) {
  return vandq_u8(vshlq_u8(x, vdupq_n_s8(static_cast<int8_t>(n_bits))),
                  vdupq_n_u8(static_cast<uint8_t>(mask)));
}
HADAL_INLINE Bytes or_bytes(Bytes a, Bytes b) { return vorrq_u8(a, b); }
HADAL_INLINE Bytes add_bytes(Bytes a, int b) {
  return vaddq_u8(a, vdupq_n_u8(static_cast<uint8_t>(b)));
}
HADAL_INLINE Bytes where_in_common(Bytes x, Bytes bits, int value) {
  return vandq_u8(vtstq_u8(x, bits), vdupq_n_u8(static_cast<uint8_t>(value)));
}
HADAL_INLINE Bytes spread_bits(uint32_t bits, int value) {
  const Bytes bit_of_lane = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
  const Bytes spread = vcombine_u8(vdup_n_u8(static_cast<uint8_t>(bits)),
                                   vdup_n_u8(static_cast<uint8_t>(bits >> 8)));
  return where_in_common(spread, bit_of_lane, value);
}
HADAL_INLINE Bytes where_bit(Bytes x, int n, int value) {
  return where_in_common(x, vdupq_n_u8(static_cast<uint8_t>(1 << n)), value);
}
HADAL_INLINE Bytes negate_where(Bytes x, uint32_t bits) {
  const Bytes negative = spread_bits(bits, 0xff);
  return vsubq_u8(veorq_u8(x, negative), negative);
}
HADAL_INLINE Bytes look_up(const int8_t* table, Bytes index) {
  return vreinterpretq_u8_s8(vqtbl1q_s8(vld1q_s8(table), index));
}
HADAL_INLINE Floats from_signed(Bytes x) {
  const int16x8_t low = vmovl_s8(vget_low_s8(vreinterpretq_s8_u8(x)));
  const int16x8_t high = vmovl_high_s8(vreinterpretq_s8_u8(x));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))}};
}
HADAL_INLINE Floats from_unsigned(Bytes x) {
  const uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_high_u8(x);
  return {{vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))), vcvtq_f32_u32(vmovl_high_u16(low)),
           vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))), vcvtq_f32_u32(vmovl_high_u16(high))}};
}

HADAL_INLINE float float_from_bits(uint32_t bits) { return vget_lane_f32(vcreate_f32(bits), 0); }
HADAL_INLINE float from_f16(const uint8_t* p) {
  uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits))), 0);
}
// The numbers of 16 bits that lie at p, which need not be aligned.
HADAL_INLINE uint16x8_t load_8_halves(const uint8_t* p) {
  return vreinterpretq_u16_u8(vld1q_u8(p));
}
HADAL_INLINE Floats from_two_times_8_f16(uint16x8_t first, uint16x8_t last) {
  const float16x8_t a = vreinterpretq_f16_u16(first), b = vreinterpretq_f16_u16(last);
  return {{vcvt_f32_f16(vget_low_f16(a)), vcvt_high_f32_f16(a), vcvt_f32_f16(vget_low_f16(b)),
           vcvt_high_f32_f16(b)}};
}
HADAL_INLINE Floats from_16_f16(const uint8_t* p) {
  return from_two_times_8_f16(load_8_halves(p), load_8_halves(p + 16));
}
// As f16, which has one more bit of exponent and 256 times the offset; the one code that is no
// number becomes one that is none.
HADAL_INLINE Floats from_16_e4m3(const uint8_t* p) {
  const auto as_f16 = [](uint16x8_t x) HADAL_LAMBDA {
    const uint16x8_t magnitude = vandq_u16(x, vdupq_n_u16(0x7f));
    const uint16x8_t sign = vshlq_n_u16(vshrq_n_u16(x, 7), 15);
    const uint16x8_t no_number = vshrq_n_u16(vceqq_u16(magnitude, vdupq_n_u16(0x7f)), 1);
    return vorrq_u16(vorrq_u16(sign, no_number), vshlq_n_u16(magnitude, 7));
  };
  const Bytes x = vld1q_u8(p);
  return mul(from_two_times_8_f16(as_f16(vmovl_u8(vget_low_u8(x))), as_f16(vmovl_high_u8(x))),
             broadcast(256.0f));
}
HADAL_INLINE Floats from_16_bf16(const uint8_t* p) {
  const uint16x8_t a = load_8_halves(p), b = load_8_halves(p + 16);
  return {{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(a), 16)),
           vreinterpretq_f32_u32(vshll_high_n_u16(a, 16)),
           vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(b), 16)),
           vreinterpretq_f32_u32(vshll_high_n_u16(b, 16))}};
}

// The values of a block whose elements are nibbles: value_of() says what a nibble means.
template <class ValueOf>
struct NibbleValues {
  ValueOf value_of;
  HADAL_INLINE static Bytes widen(Bytes x) { return x; }
  HADAL_INLINE Floats low(Bytes x) const { return value_of(shift_right(x, 0, 15)); }
  HADAL_INLINE Floats high(Bytes x) const { return value_of(shift_right(x, 4, 15)); }
};
template <class ValueOf>
HADAL_INLINE NibbleValues<ValueOf> nibble_values(ValueOf value_of) {
  return {value_of};
}

}  // namespace
