// Sixteen rows of a weight side by side, a word of four levels each. See avx2/int8_vec.hpp for what
// each function means.
#pragma once

#include "backends/cpu/isa/avx512/vec.hpp"

namespace {

using Ints = __m512i;
using RowFloats = __m512;
constexpr int kVecRows = 16;
constexpr int kInt8TileX = 6;
constexpr int kInt8MostX = 8;  // where a stretch has one sum
// Levels with a sign are stored 128 higher, for an instruction that wants them unsigned.
constexpr int kSignedOffsetShift = 7;

HADAL_INLINE Ints load_ints(const void* p) { return _mm512_loadu_si512(p); }
HADAL_INLINE void store_ints(void* p, Ints x) { _mm512_storeu_si512(p, x); }
HADAL_INLINE RowFloats load_row_floats(const float* p) { return _mm512_loadu_ps(p); }
HADAL_INLINE void store_row_floats(float* p, RowFloats x) { _mm512_storeu_ps(p, x); }
HADAL_INLINE Ints broadcast_int(int32_t x) { return _mm512_set1_epi32(x); }
HADAL_INLINE RowFloats broadcast_row(float x) { return _mm512_set1_ps(x); }
HADAL_INLINE RowFloats mul_rows(RowFloats a, RowFloats b) { return _mm512_mul_ps(a, b); }
HADAL_INLINE RowFloats fma_rows(RowFloats a, RowFloats b, RowFloats c) {
  return _mm512_fmadd_ps(a, b, c);
}
HADAL_INLINE RowFloats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
HADAL_INLINE RowFloats as_floats(Ints bits) { return _mm512_castsi512_ps(bits); }

HADAL_INLINE Ints and_ints(Ints a, uint32_t mask) {
  return _mm512_and_si512(a, _mm512_set1_epi32(static_cast<int>(mask)));
}
HADAL_INLINE Ints or_ints(Ints a, Ints b) { return _mm512_or_si512(a, b); }
HADAL_INLINE Ints xor_ints(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
HADAL_INLINE Ints add_ints(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
HADAL_INLINE Ints sub_ints(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
HADAL_INLINE Ints mul_ints(Ints a, uint32_t b) {
  return _mm512_mullo_epi32(a, _mm512_set1_epi32(static_cast<int>(b)));
}
HADAL_INLINE Ints shift_ints_right(Ints x, int n) {
  return _mm512_srli_epi32(x, static_cast<unsigned>(n));
}
// By 1 to 15 bits, on ports that shuffles and other shifts leave free.
HADAL_INLINE Ints shift_halves_right(Ints x, int n) {
  return _mm512_mulhi_epu16(x, _mm512_set1_epi16(static_cast<int16_t>(1 << (16 - n))));
}
HADAL_INLINE Ints shift_ints_left(Ints x, int n) {
  return _mm512_slli_epi32(x, static_cast<unsigned>(n));
}
HADAL_INLINE Ints mul_int_vectors(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
HADAL_INLINE Ints add_bytes_of(Ints a, Ints b) { return _mm512_add_epi8(a, b); }
HADAL_INLINE Ints sub_bytes(Ints a, Ints b) { return _mm512_sub_epi8(a, b); }
HADAL_INLINE Ints add_to_bytes(Ints x, int b) {
  return _mm512_add_epi8(x, _mm512_set1_epi8(static_cast<char>(b)));
}
HADAL_INLINE Ints add_halves(Ints a, Ints b) { return _mm512_add_epi16(a, b); }
HADAL_INLINE Ints mul_halves(Ints a, Ints b) { return _mm512_mullo_epi16(a, b); }
HADAL_INLINE Ints signed_byte(Ints x, int i) {
  return _mm512_srai_epi32(_mm512_slli_epi32(x, static_cast<unsigned>(24 - 8 * i)), 24);
}
HADAL_INLINE Ints shuffle_words(Ints x, uint32_t order) {
  const __m128i word = _mm_set1_epi32(static_cast<int>(order));
  const __m128i places = _mm_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
  return _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(_mm_or_si128(word, places)));
}
HADAL_INLINE Ints sign_extend_high_bytes(Ints x) { return _mm512_srai_epi16(x, 8); }
HADAL_INLINE Ints where_below(Ints x, int limit, Ints then, Ints otherwise) {
  return _mm512_mask_blend_epi32(_mm512_cmplt_epi32_mask(x, _mm512_set1_epi32(limit)), otherwise,
                                 then);
}
HADAL_INLINE Ints add_where_bits(Ints x, Ints test, uint32_t bits, int value) {
  const __mmask64 is_set = _mm512_test_epi8_mask(test, _mm512_set1_epi32(static_cast<int>(bits)));
  return _mm512_mask_add_epi8(x, is_set, x, _mm512_set1_epi8(static_cast<char>(value)));
}
HADAL_INLINE Ints mirror_where_bits(Ints x, Ints test, uint32_t bits, int sum) {
  const __mmask64 is_set = _mm512_test_epi8_mask(test, _mm512_set1_epi32(static_cast<int>(bits)));
  return _mm512_mask_sub_epi8(x, is_set, _mm512_set1_epi8(static_cast<char>(sum)), x);
}
HADAL_INLINE Ints select_bits(uint32_t mask, Ints a, Ints b) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi32(static_cast<int>(mask)), a, b, 0xca);
}
HADAL_INLINE Ints look_up_bytes(const int8_t* table, Ints index) {
  const __m128i t = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), index);
}

HADAL_INLINE RowFloats low_f16(Ints x) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x)); }
HADAL_INLINE RowFloats high_f16(Ints x) { return low_f16(_mm512_srli_epi32(x, 16)); }

struct Rows {
  const uint8_t* row[kVecRows];
};

HADAL_INLINE void load_8_words(const Rows& rows, int64_t offset, Ints* t) {
  __m512i a[8], b[8];
  HADAL_UNROLL
  for (int r = 0; r < 8; ++r) {
    const __m256i first =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows.row[r] + offset));
    a[r] = _mm512_inserti64x4(
        _mm512_castsi256_si512(first),
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows.row[r + 8] + offset)), 1);
  }
  HADAL_UNROLL
  for (int r = 0; r < 8; r += 2) {
    b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
    b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
  }
  HADAL_UNROLL
  for (int r = 0; r < 8; r += 4) {
    a[r] = _mm512_unpacklo_epi64(b[r], b[r + 2]);
    a[r + 1] = _mm512_unpackhi_epi64(b[r], b[r + 2]);
    a[r + 2] = _mm512_unpacklo_epi64(b[r + 1], b[r + 3]);
    a[r + 3] = _mm512_unpackhi_epi64(b[r + 1], b[r + 3]);
  }
  const __m512i low = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
  const __m512i high = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
  HADAL_UNROLL
  for (int r = 0; r < 4; ++r) {
    t[r] = _mm512_permutex2var_epi64(a[r], low, a[r + 4]);
    t[r + 4] = _mm512_permutex2var_epi64(a[r], high, a[r + 4]);
  }
}

HADAL_INLINE void load_4_words(const Rows& rows, int64_t offset, Ints* t) {
  const auto load = [&](int r) HADAL_LAMBDA {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows.row[r] + offset));
  };
  __m512i a[4], b[4];
  HADAL_UNROLL
  for (int r = 0; r < 4; ++r) {
    a[r] = _mm512_castsi128_si512(load(r));
    a[r] = _mm512_inserti32x4(a[r], load(r + 4), 1);
    a[r] = _mm512_inserti32x4(a[r], load(r + 8), 2);
    a[r] = _mm512_inserti32x4(a[r], load(r + 12), 3);
  }
  HADAL_UNROLL
  for (int r = 0; r < 4; r += 2) {
    b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
    b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
  }
  t[0] = _mm512_unpacklo_epi64(b[0], b[2]);
  t[1] = _mm512_unpackhi_epi64(b[0], b[2]);
  t[2] = _mm512_unpacklo_epi64(b[1], b[3]);
  t[3] = _mm512_unpackhi_epi64(b[1], b[3]);
}

HADAL_INLINE Ints load_word(const Rows& rows, int64_t offset) {
  int32_t w[kVecRows];
  HADAL_UNROLL
  for (int r = 0; r < kVecRows; ++r) __builtin_memcpy(&w[r], rows.row[r] + offset, 4);
  return _mm512_set_epi32(w[15], w[14], w[13], w[12], w[11], w[10], w[9], w[8], w[7], w[6], w[5],
                          w[4], w[3], w[2], w[1], w[0]);
}
HADAL_INLINE __m256i load_halves(const Rows& rows, int64_t offset) {
  int16_t h[kVecRows];
  HADAL_UNROLL
  for (int r = 0; r < kVecRows; ++r) __builtin_memcpy(&h[r], rows.row[r] + offset, 2);
  return _mm256_set_epi16(h[15], h[14], h[13], h[12], h[11], h[10], h[9], h[8], h[7], h[6], h[5],
                          h[4], h[3], h[2], h[1], h[0]);
}
HADAL_INLINE Ints load_half(const Rows& rows, int64_t offset) {
  return _mm512_cvtepu16_epi32(load_halves(rows, offset));
}
HADAL_INLINE RowFloats load_f16(const Rows& rows, int64_t offset) {
  return _mm512_cvtph_ps(load_halves(rows, offset));
}

template <bool is_signed>
HADAL_INLINE Ints prepare_levels(Ints w) {
  return is_signed ? _mm512_xor_si512(w, _mm512_set1_epi8(static_cast<char>(0x80))) : w;
}

template <int most, bool is_signed>
struct Dot {
  __m512i sum;
  HADAL_INLINE void begin(Ints from) { sum = from; }
  HADAL_INLINE void add(int, Ints w, Ints x) { sum = _mm512_dpbusd_epi32(sum, w, x); }
};

HADAL_INLINE Ints add_products_of_halves(Ints sum, Ints a, Ints b) {
  return _mm512_dpwssd_epi32(sum, a, b);
}

HADAL_INLINE int32_t largest_bits(const float* x, int n) {
  const __m512i mask = _mm512_set1_epi32(0x7fffffff);
  __m512i largest = _mm512_setzero_si512();
  for (int i = 0; i < n; i += 16)
    largest = _mm512_max_epi32(largest, _mm512_and_si512(_mm512_loadu_si512(x + i), mask));
  return _mm512_reduce_max_epi32(largest);
}
HADAL_INLINE void round_16(const float* x, float factor, int8_t* levels) {
  const __m512i n = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(factor)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(levels), _mm512_cvtsepi32_epi8(n));
}

HADAL_INLINE void sum_fours(const int8_t* levels, int n, int32_t* to) {
  for (int i = 0; i < n; i += 64) {
    store_ints(to + i / 4, _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1),
                                               load_ints(levels + i)));
  }
}

}  // namespace
