// Sixteen floats as one register of AVX-512, sixteen bytes as one of SSE. See scalar/vec.hpp for
// what each function means and for the unnamed namespace.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backends/cpu/isa/compiler.hpp"

namespace {

using Reg = __m512;
constexpr int kRegLanes = 16;
constexpr bool kHasFusedProducts = true;
constexpr int kTileX = 6, kTileW = 4;
constexpr int kTileSums = 4, kTileCols = 4;

HADAL_INLINE Reg load_reg(const float* p) { return _mm512_loadu_ps(p); }
HADAL_INLINE void store_reg(float* p, Reg r) { _mm512_storeu_ps(p, r); }
HADAL_INLINE Reg zero_reg() { return _mm512_setzero_ps(); }
HADAL_INLINE Reg broadcast_reg(float x) { return _mm512_set1_ps(x); }
HADAL_INLINE Reg add_reg(Reg a, Reg b) { return _mm512_add_ps(a, b); }
HADAL_INLINE Reg fma_reg(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }

using Floats = __m512;
using Bytes = __m128i;

HADAL_INLINE Floats load(const float* p) { return _mm512_loadu_ps(p); }
HADAL_INLINE void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
HADAL_INLINE Floats broadcast(float x) { return _mm512_set1_ps(x); }
HADAL_INLINE Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
HADAL_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
HADAL_INLINE Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
HADAL_INLINE Floats div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
HADAL_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
HADAL_INLINE float add_up(Floats x) {
  const __m256 eights = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 fours = _mm_add_ps(_mm256_castps256_ps128(eights), _mm256_extractf128_ps(eights, 1));
  const __m128 twos = _mm_add_ps(fours, _mm_movehl_ps(fours, fours));
  return _mm_cvtss_f32(_mm_add_ss(twos, _mm_shuffle_ps(twos, twos, 1)));
}

// min and max return their second operand if one of the two is NaN.
HADAL_INLINE Floats clamp(Floats x, float low, float high) {
  return _mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), x));
}
HADAL_INLINE Floats times_power_of_two(Floats x, Floats n) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_mul_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23)));
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
  return _mm_maskz_set1_epi8(static_cast<__mmask16>(bits), static_cast<char>(value));
}
HADAL_INLINE Bytes where_bit(Bytes x, int n, int value) {
  const __mmask16 is_set = _mm_test_epi8_mask(x, _mm_set1_epi8(static_cast<char>(1 << n)));
  return _mm_maskz_set1_epi8(is_set, static_cast<char>(value));
}
HADAL_INLINE Bytes negate_where(Bytes x, uint32_t bits) {
  return _mm_mask_sub_epi8(x, static_cast<__mmask16>(bits), _mm_setzero_si128(), x);
}
HADAL_INLINE Bytes look_up(const int8_t* table, Bytes index) {
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)), index);
}
HADAL_INLINE Floats from_signed(Bytes x) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x)); }
HADAL_INLINE Floats from_unsigned(Bytes x) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(x)); }

HADAL_INLINE float float_from_bits(uint32_t bits) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
}
HADAL_INLINE float from_f16(const uint8_t* p) {
  uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}
HADAL_INLINE Floats from_16_f16(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
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
  return _mm512_mul_ps(_mm512_cvtph_ps(f16), _mm512_set1_ps(256.0f));
}
HADAL_INLINE Floats from_16_bf16(const uint8_t* p) {
  const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

// Sixteen values fit a register: computed once a block, and picked from there by the low four bits
// of each lane.
struct NibbleValues {
  __m512 values;
  HADAL_INLINE static __m512i widen(Bytes x) { return _mm512_cvtepu8_epi32(x); }
  HADAL_INLINE Floats low(__m512i x) const { return _mm512_permutexvar_ps(x, values); }
  HADAL_INLINE Floats high(__m512i x) const {
    return _mm512_permutexvar_ps(_mm512_srli_epi32(x, 4), values);
  }
};
template <class ValueOf>
HADAL_INLINE NibbleValues nibble_values(ValueOf value_of) {
  return {value_of(_mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0))};
}

}  // namespace
