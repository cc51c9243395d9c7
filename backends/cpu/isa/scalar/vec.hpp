// Sixteen floats and sixteen bytes on any processor: four-float vectors of the compiler, which are
// single instructions on the baseline of x86-64 and of 64-bit ARM, and plain loops over bytes.
//
// Everything here is in an unnamed namespace: each instruction set has types and functions of these
// names, and the linker must not take one file's for another's.
#pragma once

#include <cstdint>

#include "backends/cpu/isa/compiler.hpp"

namespace {

typedef float Reg __attribute__((vector_size(16)));  // NOLINT(modernize-use-using)
constexpr int kRegLanes = 4;
constexpr bool kHasFusedProducts = false;
constexpr int kTileX = 2, kTileW = 4;        // registers of multiply_panel: tile of sums
constexpr int kTileSums = 2, kTileCols = 4;  // the same of add_weighted_rows

HADAL_INLINE Reg load_reg(const float* p) {
  Reg r;
  __builtin_memcpy(&r, p, sizeof r);
  return r;
}
HADAL_INLINE void store_reg(float* p, Reg r) { __builtin_memcpy(p, &r, sizeof r); }
HADAL_INLINE Reg zero_reg() { return Reg{}; }
HADAL_INLINE Reg broadcast_reg(float x) { return Reg{x, x, x, x}; }
HADAL_INLINE Reg add_reg(Reg a, Reg b) { return a + b; }
HADAL_INLINE Reg fma_reg(Reg a, Reg b, Reg c) { return a * b + c; }

struct Floats {
  Reg r[4];
};
struct Bytes {
  uint8_t b[16];
};

HADAL_INLINE Floats load(const float* p) {
  return {{load_reg(p), load_reg(p + 4), load_reg(p + 8), load_reg(p + 12)}};
}
HADAL_INLINE void store(float* p, Floats x) {
  for (int i = 0; i < 4; ++i) store_reg(p + 4 * i, x.r[i]);
}
HADAL_INLINE Floats broadcast(float x) {
  const Reg r = broadcast_reg(x);
  return {{r, r, r, r}};
}
HADAL_INLINE Floats mul(Floats a, Floats b) {
  for (int i = 0; i < 4; ++i) a.r[i] = a.r[i] * b.r[i];
  return a;
}
HADAL_INLINE Floats add(Floats a, Floats b) {
  for (int i = 0; i < 4; ++i) a.r[i] = a.r[i] + b.r[i];
  return a;
}
HADAL_INLINE Floats sub(Floats a, Floats b) {
  for (int i = 0; i < 4; ++i) a.r[i] = a.r[i] - b.r[i];
  return a;
}
HADAL_INLINE Floats div(Floats a, Floats b) {
  for (int i = 0; i < 4; ++i) a.r[i] = a.r[i] / b.r[i];
  return a;
}
HADAL_INLINE Floats fma(Floats a, Floats b, Floats c) {
  for (int i = 0; i < 4; ++i) c.r[i] = fma_reg(a.r[i], b.r[i], c.r[i]);
  return c;
}
HADAL_INLINE float add_up(Floats x) {
  const Reg eights[2] = {x.r[0] + x.r[2], x.r[1] + x.r[3]};
  const Reg fours = eights[0] + eights[1];
  return (fours[0] + fours[2]) + (fours[1] + fours[3]);
}

// The nearer of x and the limits; x where it is NaN.
HADAL_INLINE Floats clamp(Floats x, float low, float high) {
  float v[16];
  store(v, x);
  for (float& e : v) e = e < low ? low : (e > high ? high : e);
  return load(v);
}
// x * 2^n for whole n in [-126, 127]; 0 for n = -127, infinite for 128
HADAL_INLINE Floats times_power_of_two(Floats x, Floats n) {
  float v[16], e[16];
  store(v, x);
  store(e, n);
  for (int i = 0; i < 16; ++i) {
    // A NaN among the exponents comes with a NaN in x; the conversion must not see it.
    const float whole = e[i] >= -127.0f && e[i] <= 128.0f ? e[i] : 0.0f;
    const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(whole) + 127) << 23;
    float power;
    __builtin_memcpy(&power, &bits, sizeof power);
    v[i] *= power;
  }
  return load(v);
}

HADAL_INLINE Bytes load_bytes(const uint8_t* p) {
  Bytes x;
  __builtin_memcpy(x.b, p, 16);
  return x;
}
// Bytes of little-endian words, the first one first.
HADAL_INLINE Bytes sixteen_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const uint32_t words[4] = {a, b, c, d};
  Bytes x;
  __builtin_memcpy(x.b, words, 16);
  return x;
}
HADAL_INLINE Bytes eight_bytes(uint32_t a, uint32_t b) { return sixteen_bytes(a, b, 0, 0); }
// Each byte shifted, then masked. The masks given leave nothing of a neighbour's bits, which a
// vector register without byte shifts brings in.
HADAL_INLINE Bytes shift_right(Bytes x, int n_bits, int mask) {
  for (int i = 0; i < 16; ++i) x.b[i] = static_cast<uint8_t>((x.b[i] >> n_bits) & mask);
  return x;
}
HADAL_INLINE Bytes shift_left(Bytes x, int n_bits, int mask) {
  for (int i = 0; i < 16; ++i) x.b[i] = static_cast<uint8_t>((x.b[i] << n_bits) & mask);
  return x;
}
HADAL_INLINE Bytes or_bytes(Bytes a, Bytes b) {
  for (int i = 0; i < 16; ++i) a.b[i] = static_cast<uint8_t>(a.b[i] | b.b[i]);
  return a;
}
HADAL_INLINE Bytes add_bytes(Bytes a, int b) {
  for (int i = 0; i < 16; ++i) a.b[i] = static_cast<uint8_t>(a.b[i] + b);
  return a;
}
// `value` where bit i of `bits` is set, else 0
HADAL_INLINE Bytes spread_bits(uint32_t bits, int value) {
  Bytes x;
  for (int i = 0; i < 16; ++i) x.b[i] = static_cast<uint8_t>(((bits >> i) & 1) != 0 ? value : 0);
  return x;
}
// `value` where bit n of a byte is set, else 0
HADAL_INLINE Bytes where_bit(Bytes x, int n, int value) {
  for (int i = 0; i < 16; ++i) x.b[i] = static_cast<uint8_t>(((x.b[i] >> n) & 1) != 0 ? value : 0);
  return x;
}
// -x, a number with a sign, where bit i of `bits` is set
HADAL_INLINE Bytes negate_where(Bytes x, uint32_t bits) {
  for (int i = 0; i < 16; ++i)
    x.b[i] = static_cast<uint8_t>(((bits >> i) & 1) != 0 ? -x.b[i] : x.b[i]);
  return x;
}
HADAL_INLINE Bytes look_up(const int8_t* table, Bytes index) {
  for (int i = 0; i < 16; ++i) index.b[i] = static_cast<uint8_t>(table[index.b[i] & 15]);
  return index;
}
HADAL_INLINE Floats from_signed(Bytes x) {
  float v[16];
  for (int i = 0; i < 16; ++i) v[i] = static_cast<float>(static_cast<int8_t>(x.b[i]));
  return load(v);
}
HADAL_INLINE Floats from_unsigned(Bytes x) {
  float v[16];
  for (int i = 0; i < 16; ++i) v[i] = static_cast<float>(x.b[i]);
  return load(v);
}

HADAL_INLINE float float_from_bits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}
HADAL_INLINE float from_f16(const uint8_t* p) {
  const uint32_t bits = static_cast<uint32_t>(p[0]) | (static_cast<uint32_t>(p[1]) << 8);
  const uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 31) return float_from_bits(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0) return float_from_bits(sign | ((exponent + 112u) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}
HADAL_INLINE Floats from_16_f16(const uint8_t* p) {
  float v[16];
  for (int i = 0; i < 16; ++i) v[i] = from_f16(p + 2 * i);
  return load(v);
}
HADAL_INLINE Floats from_16_e4m3(const uint8_t* p) {
  float v[16];
  for (int i = 0; i < 16; ++i) {
    const uint32_t sign = static_cast<uint32_t>(p[i] & 0x80) << 24, magnitude = p[i] & 0x7fu;
    const float size = magnitude == 0x7f ? float_from_bits(0x7fc00000u)
                       : magnitude >= 8  ? float_from_bits((magnitude << 20) + (120u << 23))
                                         : static_cast<float>(magnitude) * 0x1p-9f;
    v[i] = sign != 0 ? -size : size;
  }
  return load(v);
}
HADAL_INLINE Floats from_16_bf16(const uint8_t* p) {
  float v[16];
  for (int i = 0; i < 16; ++i) {
    v[i] = float_from_bits((static_cast<uint32_t>(p[2 * i]) << 16) |
                           (static_cast<uint32_t>(p[2 * i + 1]) << 24));
  }
  return load(v);
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
