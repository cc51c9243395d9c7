// Rows of a weight side by side, a word of four levels each: lane r of a vector belongs to row r,
// so scales are vectors too and nothing is ever added across lanes.
#pragma once

#include "backends/cpu/isa/avx2/vec.hpp"

namespace {

using Ints = __m256i;
using RowFloats = __m256;
constexpr int kVecRows = 8;
#ifdef __AVXVNNI__             // avx_vnni/kernels.cpp includes this file too
constexpr int kInt8TileX = 6;  // more sums than registers, for sums take long to arrive
// Levels with a sign are stored 128 higher, for an instruction that wants them unsigned.
constexpr int kSignedOffsetShift = 7;
#else
constexpr int kInt8TileX = 3;
constexpr int kSignedOffsetShift = -1;  // levels with a sign keep it
#endif
constexpr int kInt8MostX = kInt8TileX;

HADAL_INLINE Ints load_ints(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
HADAL_INLINE void store_ints(void* p, Ints x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
HADAL_INLINE RowFloats load_row_floats(const float* p) { return _mm256_loadu_ps(p); }
HADAL_INLINE void store_row_floats(float* p, RowFloats x) { _mm256_storeu_ps(p, x); }
HADAL_INLINE Ints broadcast_int(int32_t x) { return _mm256_set1_epi32(x); }
HADAL_INLINE RowFloats broadcast_row(float x) { return _mm256_set1_ps(x); }
HADAL_INLINE RowFloats mul_rows(RowFloats a, RowFloats b) { return _mm256_mul_ps(a, b); }
HADAL_INLINE RowFloats fma_rows(RowFloats a, RowFloats b, RowFloats c) {
  return _mm256_fmadd_ps(a, b, c);
}
HADAL_INLINE RowFloats to_floats(Ints x) { return _mm256_cvtepi32_ps(x); }
HADAL_INLINE RowFloats as_floats(Ints bits) { return _mm256_castsi256_ps(bits); }

HADAL_INLINE Ints and_ints(Ints a, uint32_t mask) {
  return _mm256_and_si256(a, _mm256_set1_epi32(static_cast<int>(mask)));
}
HADAL_INLINE Ints or_ints(Ints a, Ints b) { return _mm256_or_si256(a, b); }
HADAL_INLINE Ints xor_ints(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
HADAL_INLINE Ints add_ints(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
HADAL_INLINE Ints sub_ints(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
HADAL_INLINE Ints mul_ints(Ints a, uint32_t b) {
  return _mm256_mullo_epi32(a, _mm256_set1_epi32(static_cast<int>(b)));
}
HADAL_INLINE Ints shift_ints_right(Ints x, int n) { return _mm256_srli_epi32(x, n); }
HADAL_INLINE Ints shift_halves_right(Ints x, int n) { return _mm256_srli_epi16(x, n); }
HADAL_INLINE Ints shift_ints_left(Ints x, int n) { return _mm256_slli_epi32(x, n); }
HADAL_INLINE Ints mul_int_vectors(Ints a, Ints b) { return _mm256_mullo_epi32(a, b); }
HADAL_INLINE Ints add_bytes_of(Ints a, Ints b) { return _mm256_add_epi8(a, b); }
HADAL_INLINE Ints sub_bytes(Ints a, Ints b) { return _mm256_sub_epi8(a, b); }
HADAL_INLINE Ints add_to_bytes(Ints x, int b) {
  return _mm256_add_epi8(x, _mm256_set1_epi8(static_cast<char>(b)));
}
HADAL_INLINE Ints add_halves(Ints a, Ints b) { return _mm256_add_epi16(a, b); }
HADAL_INLINE Ints mul_halves(Ints a, Ints b) { return _mm256_mullo_epi16(a, b); }
HADAL_INLINE Ints signed_byte(Ints x, int i) {
  return _mm256_srai_epi32(_mm256_slli_epi32(x, 24 - 8 * i), 24);
}
// In every word: byte i becomes byte (order >> 8 * i) & 255 of the word, 0 where that is 0x80.
HADAL_INLINE Ints shuffle_words(Ints x, uint32_t order) {
  const __m128i word = _mm_set1_epi32(static_cast<int>(order));
  const __m128i places = _mm_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
  return _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(_mm_or_si128(word, places)));
}
// The high byte of every half, as a number of 16 bits with its sign.
HADAL_INLINE Ints sign_extend_high_bytes(Ints x) { return _mm256_srai_epi16(x, 8); }
HADAL_INLINE Ints where_below(Ints x, int limit, Ints then, Ints otherwise) {
  return _mm256_blendv_epi8(otherwise, then, _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), x));
}
// Adds `value` to the bytes of x where the byte of `test` has a bit in common with that of `bits`.
HADAL_INLINE Ints add_where_bits(Ints x, Ints test, uint32_t bits, int value) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(bits));
  const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(test, mask), mask);
  return _mm256_add_epi8(x, _mm256_and_si256(is_set, _mm256_set1_epi8(static_cast<char>(value))));
}
// sum - byte of x where the byte of `test` has a bit in common with that of `bits`, x elsewhere.
HADAL_INLINE Ints mirror_where_bits(Ints x, Ints test, uint32_t bits, int sum) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(bits));
  const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(test, mask), mask);
  const __m256i mirrored = _mm256_sub_epi8(_mm256_set1_epi8(static_cast<char>(sum)), x);
  return _mm256_blendv_epi8(x, mirrored, is_set);
}
// The bits of a where `mask` has them, of b elsewhere.
HADAL_INLINE Ints select_bits(uint32_t mask, Ints a, Ints b) {
  const __m256i m = _mm256_set1_epi32(static_cast<int>(mask));
  return _mm256_or_si256(_mm256_and_si256(m, a), _mm256_andnot_si256(m, b));
}
HADAL_INLINE Ints look_up_bytes(const int8_t* table, Ints index) {
  const __m128i t = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(t), index);
}

// The f16 in the low, or high, half of every word.
HADAL_INLINE RowFloats low_f16(Ints x) {
  const __m256i halves = _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
  return _mm256_cvtph_ps(
      _mm_packus_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
}
HADAL_INLINE RowFloats high_f16(Ints x) { return low_f16(_mm256_srli_epi32(x, 16)); }

struct Rows {
  const uint8_t* row[kVecRows];
};

// 32 bytes of every row: t[i] has word i.
HADAL_INLINE void load_8_words(const Rows& rows, int64_t offset, Ints* t) {
  __m256i a[8], b[8];
  HADAL_UNROLL
  for (int r = 0; r < 8; ++r) a[r] = load_ints(rows.row[r] + offset);
  HADAL_UNROLL
  for (int r = 0; r < 8; r += 2) {
    b[r] = _mm256_unpacklo_epi32(a[r], a[r + 1]);
    b[r + 1] = _mm256_unpackhi_epi32(a[r], a[r + 1]);
  }
  HADAL_UNROLL
  for (int r = 0; r < 8; r += 4) {
    a[r] = _mm256_unpacklo_epi64(b[r], b[r + 2]);
    a[r + 1] = _mm256_unpackhi_epi64(b[r], b[r + 2]);
    a[r + 2] = _mm256_unpacklo_epi64(b[r + 1], b[r + 3]);
    a[r + 3] = _mm256_unpackhi_epi64(b[r + 1], b[r + 3]);
  }
  HADAL_UNROLL
  for (int r = 0; r < 4; ++r) {
    t[r] = _mm256_permute2x128_si256(a[r], a[r + 4], 0x20);
    t[r + 4] = _mm256_permute2x128_si256(a[r], a[r + 4], 0x31);
  }
}

// The same of 16 bytes.
HADAL_INLINE void load_4_words(const Rows& rows, int64_t offset, Ints* t) {
  __m256i a[4], b[4];
  HADAL_UNROLL
  for (int r = 0; r < 4; ++r) {
    a[r] = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(rows.row[r + 4] + offset),
                               reinterpret_cast<const __m128i*>(rows.row[r] + offset));
  }
  HADAL_UNROLL
  for (int r = 0; r < 4; r += 2) {
    b[r] = _mm256_unpacklo_epi32(a[r], a[r + 1]);
    b[r + 1] = _mm256_unpackhi_epi32(a[r], a[r + 1]);
  }
  t[0] = _mm256_unpacklo_epi64(b[0], b[2]);
  t[1] = _mm256_unpackhi_epi64(b[0], b[2]);
  t[2] = _mm256_unpacklo_epi64(b[1], b[3]);
  t[3] = _mm256_unpackhi_epi64(b[1], b[3]);
}

// Four bytes, two bytes, an f16 of every row.
HADAL_INLINE Ints load_word(const Rows& rows, int64_t offset) {
  int32_t w[kVecRows];
  HADAL_UNROLL
  for (int r = 0; r < kVecRows; ++r) __builtin_memcpy(&w[r], rows.row[r] + offset, 4);
  return _mm256_set_epi32(w[7], w[6], w[5], w[4], w[3], w[2], w[1], w[0]);
}
HADAL_INLINE __m128i load_halves(const Rows& rows, int64_t offset) {
  int16_t h[kVecRows];
  HADAL_UNROLL
  for (int r = 0; r < kVecRows; ++r) __builtin_memcpy(&h[r], rows.row[r] + offset, 2);
  return _mm_set_epi16(h[7], h[6], h[5], h[4], h[3], h[2], h[1], h[0]);
}
HADAL_INLINE Ints load_half(const Rows& rows, int64_t offset) {
  return _mm256_cvtepu16_epi32(load_halves(rows, offset));
}
HADAL_INLINE RowFloats load_f16(const Rows& rows, int64_t offset) {
  return _mm256_cvtph_ps(load_halves(rows, offset));
}

template <bool is_signed>
HADAL_INLINE Ints prepare_levels(Ints w) {
  if constexpr (is_signed && kSignedOffsetShift >= 0)
    return _mm256_xor_si256(w, _mm256_set1_epi8(static_cast<char>(0x80)));
  return w;
}

#ifdef __AVXVNNI__

// Sums of the products of four levels by four of x.
template <int most, bool is_signed>
struct Dot {
  __m256i sum;
  HADAL_INLINE void begin(Ints from) { sum = from; }
  HADAL_INLINE void add(int, Ints w, Ints x) { sum = _mm256_dpbusd_avx_epi32(sum, w, x); }
};

HADAL_INLINE Ints add_products_of_halves(Ints sum, Ints a, Ints b) {
  return _mm256_dpwssd_avx_epi32(sum, a, b);
}

#else

// Sums of the products of four levels by four of x. The instruction has sums of two products, in 16
// bits, which hold as many of them as fit without overflow; `most` is the largest level.
template <int most, bool is_signed>
struct Dot {
  static constexpr int kFitting = 32767 / (most * 254);
  static constexpr int kTogether = kFitting >= 4 ? 4 : kFitting >= 2 ? 2 : 1;
  static_assert(kFitting >= 1);

  __m256i sum, part;
  HADAL_INLINE void begin(Ints from) { sum = from; }
  // i counts the calls since begin(); they come in multiples of four.
  HADAL_INLINE void add(int i, Ints w, Ints x) {
    const __m256i twos = is_signed
                             ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
                             : _mm256_maddubs_epi16(w, x);
    part = i % kTogether == 0 ? twos : _mm256_add_epi16(part, twos);
    if (i % kTogether == kTogether - 1)
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(part, _mm256_set1_epi16(1)));
  }
};

HADAL_INLINE Ints add_products_of_halves(Ints sum, Ints a, Ints b) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

#endif

// The bits of the largest of n columns of x, a multiple of 16; those of NaN and infinity are above
// all others.
HADAL_INLINE int32_t largest_bits(const float* x, int n) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256i low = _mm256_setzero_si256(), high = low;
  for (int i = 0; i < n; i += 16) {
    low = _mm256_max_epi32(low, _mm256_and_si256(load_ints(x + i), mask));
    high = _mm256_max_epi32(high, _mm256_and_si256(load_ints(x + i + 8), mask));
  }
  const __m256i eight = _mm256_max_epi32(low, high);
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return _mm_cvtsi128_si32(four);
}
HADAL_INLINE void round_16(const float* x, float factor, int8_t* levels) {
  const __m256 f = _mm256_set1_ps(factor);
  const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), f));
  const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), f));
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(levels),
      _mm_packs_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
}

// Sums of four levels each, of n levels: a multiple of 64.
HADAL_INLINE void sum_fours(const int8_t* levels, int n, int32_t* to) {
  for (int i = 0; i < n; i += 32) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), load_ints(levels + i));
    store_ints(to + i / 4, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
}

}  // namespace
