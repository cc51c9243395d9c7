// What the kernels of bf16 have in common.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backends/cpu/isa/compiler.hpp"

namespace {

HADAL_INLINE __m512i load(const uint16_t* p) { return _mm512_loadu_si512(p); }
HADAL_INLINE __m512 dot(__m512 sums, __m512i a, __m512i b) {
  return _mm512_dpbf16_ps(sums, (__m512bh)a, (__m512bh)b);
}

// For the n numbers of 16 that are there.
HADAL_INLINE __mmask16 first_of_sixteen(int64_t n) {
  return static_cast<__mmask16>(n < 16 ? (1u << n) - 1 : 0xffff);
}

// The sums of 16 registers as one: lane i is the sum of r[i]. Halves of lanes change places until
// each lane holds parts of one register only.
HADAL_INLINE __m512 sums_of_sixteen(const __m512* r) {
  __m512 eights[8], fours[4], twos[2];
  HADAL_UNROLL
  for (int i = 0; i < 8; ++i) {  // one in the lower half, the one 4 further in the upper
    const int first = i < 4 ? i : i + 4;
    eights[i] = _mm512_add_ps(_mm512_shuffle_f32x4(r[first], r[first + 4], 0x44),
                              _mm512_shuffle_f32x4(r[first], r[first + 4], 0xee));
  }
  HADAL_UNROLL
  for (int i = 0; i < 4; ++i) {  // a quarter each: r[i], r[i + 4], r[i + 8], r[i + 12]
    fours[i] = _mm512_add_ps(_mm512_shuffle_f32x4(eights[i], eights[i + 4], 0x88),
                             _mm512_shuffle_f32x4(eights[i], eights[i + 4], 0xdd));
  }
  HADAL_UNROLL
  for (int i = 0; i < 2; ++i) {  // in each quarter two lanes of r[i] and two of r[i + 2]
    twos[i] = _mm512_add_ps(_mm512_unpacklo_ps(fours[i], fours[i + 2]),
                            _mm512_unpackhi_ps(fours[i], fours[i + 2]));
  }
  return _mm512_add_ps(_mm512_unpacklo_ps(twos[0], twos[1]), _mm512_unpackhi_ps(twos[0], twos[1]));
}

}  // namespace
