// A line of a row of a weight: the levels of kLineCols columns in order. See avx2/int8_line.hpp for
// what each function means.
#pragma once

#include "backends/cpu/isa/avx512/int8_vec.hpp"
#include "backends/cpu/kernels.hpp"
// after int8_vec.hpp:
#include "backends/cpu/isa/eight.hpp"

namespace {

constexpr int kLineCols = 64;

HADAL_INLINE Ints load_32s(const uint8_t* p, int64_t first, int64_t last) {
  const auto at = [p](int64_t offset) HADAL_LAMBDA {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + offset));
  };
  if (first == last) return _mm512_broadcast_i64x4(at(first));
  return _mm512_inserti64x4(_mm512_castsi256_si512(at(first)), at(last), 1);
}
HADAL_INLINE Ints of_32s(int16_t first, int16_t last) {
  return _mm512_inserti64x4(_mm512_set1_epi16(first), _mm256_set1_epi16(last), 1);
}
HADAL_INLINE Ints shift_32s_right(Ints x, int first, int last) {
  return _mm512_srlv_epi16(x, of_32s(static_cast<int16_t>(first), static_cast<int16_t>(last)));
}
HADAL_INLINE Ints shift_32s_left(Ints x, int first, int last) {
  return _mm512_sllv_epi16(x, of_32s(static_cast<int16_t>(first), static_cast<int16_t>(last)));
}
HADAL_INLINE Ints add_where_bit_of_32s(Ints x, Ints test, int first, int last, int value) {
  const auto twice = [](int bit) HADAL_LAMBDA { return static_cast<int16_t>(0x0101 << bit); };
  const __mmask64 is_set = _mm512_test_epi8_mask(test, of_32s(twice(first), twice(last)));
  return _mm512_mask_add_epi8(x, is_set, x, _mm512_set1_epi8(static_cast<char>(value)));
}
HADAL_INLINE Ints add_where_columns(Ints x, uint32_t first, uint32_t last, int value) {
  return _mm512_mask_add_epi8(x, uint64_t{last} << 32 | first, x,
                              _mm512_set1_epi8(static_cast<char>(value)));
}
HADAL_INLINE Ints nibbles_of_blocks(const uint8_t* p, int64_t first, int64_t last) {
  const auto at = [p](int64_t offset) HADAL_LAMBDA {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + offset));
  };
  const __m512i bytes =
      _mm512_mask_broadcast_i32x4(_mm512_broadcast_i32x4(at(first)), 0xff00, at(last));
  return and_ints(_mm512_srlv_epi64(bytes, _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0)), 0x0f0f0f0fu);
}

// -127 to 127 as what is left without the sign, and x with it.
struct Signless {
  Ints w, x;
  HADAL_INLINE Signless(Ints levels, Ints of_x)
      : w(_mm512_abs_epi8(levels)),
        x(_mm512_mask_sub_epi8(of_x, _mm512_movepi8_mask(levels), _mm512_setzero_si512(), of_x)) {}
};
HADAL_INLINE Ints dot_line(Ints w, Ints x) {
  return _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, x);
}
HADAL_INLINE Ints add_scaled_dot(Ints sum, Ints w, Ints x, Ints scales) {
  return _mm512_dpwssd_epi32(sum, _mm512_maddubs_epi16(w, x), scales);
}

struct ScalesOf16 {
  Ints words;
  HADAL_INLINE explicit ScalesOf16(__m256i scales) : words(_mm512_castsi256_si512(scales)) {}
  HADAL_INLINE Ints of_line(int i) const {
    const __m512i group = _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0);
    const __m512i word = _mm512_mullo_epi64(group, _mm512_set1_epi64(0x0001000100010001));
    return _mm512_permutexvar_epi16(
        _mm512_add_epi16(word, _mm512_set1_epi16(static_cast<int16_t>(4 * i))), words);
  }
};
struct ScalesOf32 {
  Ints words;
  HADAL_INLINE explicit ScalesOf32(__m128i scales) : words(_mm512_castsi128_si512(scales)) {}
  HADAL_INLINE Ints of_line(int i) const {
    return _mm512_permutexvar_epi16(
        of_32s(static_cast<int16_t>(2 * i), static_cast<int16_t>(2 * i + 1)), words);
  }
};
struct FloatScales {
  __m512 eight;
  HADAL_INLINE explicit FloatScales(__m256 scales) : eight(_mm512_castps256_ps512(scales)) {}
  HADAL_INLINE RowFloats of_line(int i) const {
    const __m512i place =
        _mm512_inserti64x4(_mm512_set1_epi32(2 * i), _mm256_set1_epi32(2 * i + 1), 1);
    return _mm512_permutexvar_ps(place, eight);
  }
};

HADAL_INLINE Ints in_register(Ints x) {
  asm("" : "+v"(x));
  return x;
}

// Lines of two groups half a stretch apart.
constexpr int kGroupsApart = 4, kHalvesInLine = 2;
HADAL_INLINE Ints load_halves_line(const hadal::cpu::Int8Stretch& x, int i) {
  return load_ints(x.levels_by_halves + 64 * i);
}
HADAL_INLINE Ints halves_of_64_bytes(const uint8_t* p, int) { return load_ints(p); }
HADAL_INLINE Ints add_where_bit_of_halves(Ints x, Ints test, int i, int value) {
  return add_where_bit_of_32s(x, test, i, i + kGroupsApart, value);
}
struct ScalesOfHalves {
  Ints words;
  HADAL_INLINE explicit ScalesOfHalves(__m256i scales) : words(_mm512_castsi256_si512(scales)) {}
  HADAL_INLINE Ints of_line(int i) const {
    const __m512i group = _mm512_set_epi64(9, 9, 8, 8, 1, 1, 0, 0);
    const __m512i word = _mm512_mullo_epi64(group, _mm512_set1_epi64(0x0001000100010001));
    return _mm512_permutexvar_epi16(
        _mm512_add_epi16(word, _mm512_set1_epi16(static_cast<int16_t>(2 * i))), words);
  }
};

HADAL_INLINE Ints scaled_book_dot(const int8_t* book, const uint8_t* qs, const int8_t* x,
                                  const int16_t* sums_of_x, __m128i scales) {
  // Levels are taken 128 higher, without a sign.
  const __m512i levels = _mm512_xor_si512(
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(book))),
      _mm512_set1_epi8(static_cast<char>(0x80)));
  const __m512i wide = _mm512_castsi256_si512(_mm256_cvtepi16_epi32(scales));
  const __m256i lift = _mm256_slli_epi32(dot_of_eight(scales, sums_of_x), 7);
  __m512i sum = _mm512_zextsi256_si512(_mm256_sub_epi32(_mm256_setzero_si256(), lift));
  HADAL_UNROLL
  for (int i = 0; i < 2; ++i) {
    // Four groups at once: the first halves of all, then the second ones.
    const __m512i a = load_ints(x + 128 * i), b = load_ints(x + 128 * i + 64);
    const __m512i bytes = load_ints(qs + 64 * i);
    const __m512i low = _mm512_shuffle_epi8(levels, and_ints(bytes, 0x0f0f0f0fu));
    const __m512i high =
        _mm512_shuffle_epi8(levels, and_ints(shift_ints_right(bytes, 4), 0x0f0f0f0fu));
    __m512i dot =
        _mm512_dpbusd_epi32(_mm512_setzero_si512(), low, _mm512_shuffle_i64x2(a, b, 0x88));
    dot = _mm512_dpbusd_epi32(dot, high, _mm512_shuffle_i64x2(a, b, 0xdd));
    const __m512i four_times = _mm512_add_epi32(
        _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0), _mm512_set1_epi32(4 * i));
    sum =
        _mm512_add_epi32(sum, _mm512_mullo_epi32(dot, _mm512_permutexvar_epi32(four_times, wide)));
  }
  return sum;
}

HADAL_INLINE RowFloats broadcast_first(__m128 x) { return _mm512_broadcastss_ps(x); }
HADAL_INLINE Ints add_eight(Ints sum, __m256i eight) {
  return _mm512_add_epi32(sum, _mm512_zextsi256_si512(eight));
}
HADAL_INLINE float sum_of(RowFloats many, __m256 eight) {
  return sum_of_eight(_mm256_add_ps(
      _mm256_add_ps(_mm512_castps512_ps256(many), _mm512_extractf32x8_ps(many, 1)), eight));
}

}  // namespace
