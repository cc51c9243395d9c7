// Sixteen floats as two registers of AVX2, sixteen bytes as one of SSE. See scalar/vec.hpp for what
// each function means and for the unnamed namespace.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backends/cpu/isa/compiler.hpp"

namespace {

using Reg = __m256;
constexpr int kRegLanes = 8;
constexpr bool kHasFusedProducts = true;
constexpr int kTileX = 4, kTileW = 2;
constexpr int kTileSums = 4, kTileCols = 2;

HADAL_INLINE Reg load_reg(const float* p) { return _mm256_loadu_ps(p); }
HADAL_INLINE void store_reg(float* p, Reg r) { _mm256_storeu_ps(p, r); }
HADAL_INLINE Reg zero_reg() { return _mm256_setzero_ps(); }
HADAL_INLINE Reg broadcast_reg(float x) { return _mm256_set1_ps(x); }
HADAL_INLINE Reg add_reg(Reg a, Reg b) { return _mm256_add_ps(a, b); }
HADAL_INLINE Reg fma_reg(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }

struct Floats {
  __m256 low, high;
};
using Bytes = __m128i;

HADAL_INLINE Floats load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
HADAL_INLINE void store(float* p, Floats x) {
  _mm256_storeu_ps(p, x.low);
  _mm256_storeu_ps(p + 8, x.high);
}
HADAL_INLINE Floats broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
HADAL_INLINE Floats mul(Floats a, Floats b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
HADAL_INLINE Floats add(Floats a, Floats b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
HADAL_INLINE Floats sub(Floats a, Floats b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
HADAL_INLINE Floats div(Floats a, Floats b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
HADAL_INLINE Floats fma(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
HADAL_INLINE float add_up(Floats x) {
  const __m256 eights = _mm256_add_ps(x.low, x.high);
  const __m128 fours = _mm_add_ps(_mm256_castps256_ps128(eights), _mm256_extractf128_ps(eights, 1));
  const __m128 twos = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
  return _mm_cvtss_f32(_mm_add_ss(twos, _mm_shuffle_ps(twos, twos, 1)));
}

// min and max return their second operand if one of the two is NaN.
HADAL_INLINE Floats clamp(Floats x, float low, float high) {
  const __m256 l = _mm256_set1_ps(low), h = _mm256_set1_ps(high);
  return {_mm256_min_ps(h, _mm256_max_ps(l, x.low)), _mm256_min_ps(h, _mm256_max_ps(l, x.high))};
}
HADAL_INLINE __m256 power_of_two(__m256 n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
HADAL_INLINE Floats times_power_of_two(Floats x, Floats n) {
  return mul(x, {power_of_two(n.low), power_of_two(n.high)});
}

HADAL_INLINE Bytes load_bytes(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
HADAL_INLINE Bytes sixteen_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return _mm_set_epi32(static_cast<int>(d), static_cast<int>(c), static_cast<int>(b),
                       static_cast<int>(a));
}
HADAL_INLINE Bytes eight_bytes(uint32_t a, uint32_t b) {
  return _mm_cvtsi64_si128(static_cast<int64_t>((static_cast<uint64_t>(b) << 32) | a));
}
HADAL_INLINE Bytes shift_right(Bytes x, int n_bits, int mask) {
  return _mm_and_si128(_mm_srli_epi16(x, n_bits), _mm_set1_epi8(static_cast<char>(mask)));
}
HADAL_INLINE Bytes shift_left(Bytes x, int n_bits, int mask) {
  return _mm_and_si128(_mm_slli_epi16(x, n_bits), _mm_set1_epi8(static_cast<char>(mask)));
}
HADAL_INLINE Bytes or_bytes(Bytes a, Bytes b) { return _mm_or_si128(a, b); }
HADAL_INLINE Bytes add_bytes(Bytes a, int b) {
  return _mm_add_epi8(a, _mm_set1_epi8(static_cast<char>(b)));
}
HADAL_INLINE Bytes spread_bits(uint32_t bits, int value) {
  const __m128i bit_of_lane = _mm_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
  const __m128i byte_of_lane = _mm_set_epi8(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m128i spread = _mm_shuffle_epi8(_mm_cvtsi32_si128(static_cast<int>(bits)), byte_of_lane);
  const __m128i is_set = _mm_cmpeq_epi8(_mm_and_si128(spread, bit_of_lane), bit_of_lane);
  return _mm_and_si128(is_set, _mm_set1_epi8(static_cast<char>(value)));
}
HADAL_INLINE Bytes where_bit(Bytes x, int n, int value) {
  const __m128i bit = _mm_set1_epi8(static_cast<char>(1 << n));
  const __m128i is_set = _mm_cmpeq_epi8(_mm_and_si128(x, bit), bit);
  return _mm_and_si128(is_set, _mm_set1_epi8(static_cast<char>(value)));
}
HADAL_INLINE Bytes negate_where(Bytes x, uint32_t bits) {
  const __m128i negative = spread_bits(bits, 0xff);
  return _mm_sub_epi8(_mm_xor_si128(x, negative), negative);
}
HADAL_INLINE Bytes look_up(const int8_t* table, Bytes index) {
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)), index);
}
HADAL_INLINE Floats from_signed(Bytes x) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(x, x)))};
}
HADAL_INLINE Floats from_unsigned(Bytes x) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(x)),
          _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_unpackhi_epi64(x, x)))};
}

HADAL_INLINE float float_from_bits(uint32_t bits) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
}
HADAL_INLINE float from_f16(const uint8_t* p) {
  uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}
HADAL_INLINE Floats from_16_f16(const uint8_t* p) {
  return {_mm256_cvtph_ps(load_bytes(p)), _mm256_cvtph_ps(load_bytes(p + 16))};
}
// As f16, which has one more bit of exponent and 256 times the offset; the one code that is no
// number becomes one that is none.
HADAL_INLINE Floats from_16_e4m3(const uint8_t* p) {
  const __m256i x = _mm256_cvtepu8_epi16(load_bytes(p));
  const __m256i magnitude = _mm256_and_si256(x, _mm256_set1_epi16(0x7f));
  const __m256i sign = _mm256_slli_epi16(_mm256_srli_epi16(x, 7), 15);
  const __m256i no_number =
      _mm256_srli_epi16(_mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x7f)), 1);
  const __m256i f16 =
      _mm256_or_si256(_mm256_or_si256(sign, no_number), _mm256_slli_epi16(magnitude, 7));
  const __m256 factor = _mm256_set1_ps(256.0f);
  return {_mm256_mul_ps(_mm256_cvtph_ps(_mm256_castsi256_si128(f16)), factor),
          _mm256_mul_ps(_mm256_cvtph_ps(_mm256_extracti128_si256(f16, 1)), factor)};
}
HADAL_INLINE __m256 from_8_bf16(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
HADAL_INLINE Floats from_16_bf16(const uint8_t* p) {
  return {from_8_bf16(load_bytes(p)), from_8_bf16(load_bytes(p + 16))};
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
