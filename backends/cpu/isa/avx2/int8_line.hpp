// A line of a row of a weight: the levels of kLineCols columns in order, one or two groups of 32.
// What is said of two groups, `first` and `last`, is said of the same one here, where a line has
// but one.
#pragma once

#include "backends/cpu/isa/avx2/int8_vec.hpp"
#include "backends/cpu/kernels.hpp"
// after int8_vec.hpp:
#include "backends/cpu/isa/eight.hpp"

namespace {

constexpr int kLineCols = 32;

// 32 bytes for each group, so many bytes from p.
HADAL_INLINE Ints load_32s(const uint8_t* p, int64_t first, int64_t) {
  return load_ints(p + first);
}
// Shifts by 0 to 7 bits, of numbers of 16 bits: what comes from the neighbour is to be masked.
HADAL_INLINE Ints shift_32s_right(Ints x, int first, int) { return _mm256_srli_epi16(x, first); }
HADAL_INLINE Ints shift_32s_left(Ints x, int first, int) { return _mm256_slli_epi16(x, first); }
// Adds `value` to the bytes of x where that bit of the byte of `test` is set.
HADAL_INLINE Ints add_where_bit_of_32s(Ints x, Ints test, int first, int, int value) {
  return add_where_bits(x, test, 0x01010101u << first, value);
}
// The same where the bit of the column is set.
HADAL_INLINE Ints add_where_columns(Ints x, uint32_t first, uint32_t, int value) {
  const __m256i byte_of_column =
      _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
  const __m256i bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i bytes =
      _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(first)), byte_of_column);
  const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
  return _mm256_add_epi8(x, _mm256_and_si256(is_set, _mm256_set1_epi8(static_cast<char>(value))));
}
// Of 16 bytes for each group the low nibbles, then the high ones.
HADAL_INLINE Ints nibbles_of_blocks(const uint8_t* p, int64_t first, int64_t) {
  const __m256i bytes =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + first)));
  return and_ints(_mm256_srlv_epi64(bytes, _mm256_set_epi64x(4, 4, 0, 0)), 0x0f0f0f0fu);
}

// -127 to 127 as what is left without the sign, and x with it.
struct Signless {
  Ints w, x;
  HADAL_INLINE Signless(Ints levels, Ints of_x)
      : w(_mm256_abs_epi8(levels)), x(_mm256_sign_epi8(of_x, levels)) {}
};
// The sums of four neighbouring products, of levels without a sign.
HADAL_INLINE Ints dot_line(Ints w, Ints x) {
#ifdef __AVXVNNI__
  return _mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), w, x);
#else
  return _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1));
#endif
}
// The same added to `sum`, each two products times a scale of 16 bits first.
HADAL_INLINE Ints add_scaled_dot(Ints sum, Ints w, Ints x, Ints scales) {
  return add_products_of_halves(sum, _mm256_maddubs_epi16(w, x), scales);
}

// Scales of 16 bits for every 16 or 32 columns of a stretch, and those of a line.
struct ScalesOf16 {
  Ints low, high;  // the first eight twice, the others twice
  HADAL_INLINE explicit ScalesOf16(__m256i scales)
      : low(_mm256_permute4x64_epi64(scales, 0x44)), high(_mm256_permute4x64_epi64(scales, 0xee)) {}
  HADAL_INLINE Ints of_line(int i) const {
    const auto eight_times = [](int word) HADAL_LAMBDA {
      return _mm_set1_epi16(static_cast<int16_t>(0x0100 + word * 0x0202));
    };
    const __m256i bytes = _mm256_set_m128i(eight_times(i % 4 * 2 + 1), eight_times(i % 4 * 2));
    return _mm256_shuffle_epi8(i < 4 ? low : high, bytes);
  }
};
struct ScalesOf32 {
  Ints twice;
  HADAL_INLINE explicit ScalesOf32(__m128i scales) : twice(_mm256_broadcastsi128_si256(scales)) {}
  HADAL_INLINE Ints of_line(int i) const {
    return _mm256_shuffle_epi8(twice, _mm256_set1_epi16(static_cast<int16_t>(0x0100 + i * 0x0202)));
  }
};
struct FloatScales {
  __m256 eight;
  HADAL_INLINE explicit FloatScales(__m256 scales) : eight(scales) {}
  HADAL_INLINE RowFloats of_line(int i) const {
    return _mm256_permutevar8x32_ps(eight, _mm256_set1_epi32(i));
  }
};

// Loaded once: else compilers load again for every use, which costs more than it looks, for blocks
// seldom lie within the lines of a cache.
HADAL_INLINE Ints in_register(Ints x) {
  asm("" : "+x"(x));
  return x;
}

// Lines whose groups, where there are two, are half a stretch apart: of x; 32 bytes of each half of
// 64 bytes; and what else is said of lines above.
constexpr int kHalvesInLine = 1;
HADAL_INLINE Ints load_halves_line(const hadal::cpu::Int8Stretch& x, int i) {
  return load_ints(x.levels + 32 * i);
}
HADAL_INLINE Ints halves_of_64_bytes(const uint8_t* p, int i) { return load_ints(p + i / 4 * 32); }
HADAL_INLINE Ints add_where_bit_of_halves(Ints x, Ints test, int i, int value) {
  return add_where_bit_of_32s(x, test, i, i, value);
}
using ScalesOfHalves = ScalesOf16;

// Eight groups of 16 bytes, whose nibbles are numbers of levels in the book: their products with x,
// times the scales.
HADAL_INLINE Ints scaled_book_dot(const int8_t* book, const uint8_t* qs, const int8_t* x,
                                  const int16_t*, __m128i scales) {
  const ScalesOf32 of_groups(scales);
  Ints sum = broadcast_int(0);
  HADAL_UNROLL
  for (int i = 0; i < 8; ++i) {
    const Signless line(look_up_bytes(book, nibbles_of_blocks(qs, 16 * i, 16 * i)),
                        load_ints(x + 32 * i));
    sum = add_scaled_dot(sum, line.w, line.x, of_groups.of_line(i));
  }
  return sum;
}

HADAL_INLINE RowFloats broadcast_first(__m128 x) { return _mm256_broadcastss_ps(x); }
HADAL_INLINE Ints add_eight(Ints sum, __m256i eight) { return _mm256_add_epi32(sum, eight); }
HADAL_INLINE float sum_of(RowFloats many, __m256 eight) {
  return sum_of_eight(_mm256_add_ps(many, eight));
}

}  // namespace
