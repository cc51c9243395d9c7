// Eight numbers side by side, whatever else an instruction set has: one for every 32 columns of a
// stretch.
#pragma once

namespace {

HADAL_INLINE float sum_of_eight(__m256 x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// The f16 at p, p + stride, ...
HADAL_INLINE __m256 load_eight_f16(const uint8_t* p, int stride) {
  int16_t h[8];
  HADAL_UNROLL
  for (int i = 0; i < 8; ++i) __builtin_memcpy(&h[i], p + i * stride, 2);
  return _mm256_cvtph_ps(_mm_set_epi16(h[7], h[6], h[5], h[4], h[3], h[2], h[1], h[0]));
}
// 0 but for the first n.
HADAL_INLINE __m256 first_of_eight(__m256 x, int n) {
  if (__builtin_constant_p(n) && n == 8) return x;
  const __m256i place = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
  return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), place)));
}
HADAL_INLINE __m256 eight_to_floats(__m256i x) { return _mm256_cvtepi32_ps(x); }

HADAL_INLINE uint64_t load_u64(const uint8_t* p) {
  uint64_t x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
HADAL_INLINE __m128i sixteen_bytes(uint64_t low, uint64_t high) {
  return _mm_set_epi64x(static_cast<int64_t>(high), static_cast<int64_t>(low));
}
HADAL_INLINE __m128i load_sixteen_bytes(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

// Products of numbers of 16 bits, the sums of two.
HADAL_INLINE __m256i dot_of_sixteen(__m256i a, const int16_t* b) {
  return _mm256_madd_epi16(a, _mm256_load_si256(reinterpret_cast<const __m256i*>(b)));
}
HADAL_INLINE __m256i dot_of_eight(__m128i a, const int16_t* b) {
  return _mm256_zextsi128_si256(
      _mm_madd_epi16(a, _mm_load_si128(reinterpret_cast<const __m128i*>(b))));
}

}  // namespace
