// Entries of code books for eight rows at once. There is no instruction that searches a table of
// this size; a gather is slower than loads one by one.
#pragma once

#include "backends/cpu/iq_books.hpp"
#include "backends/cpu/isa/avx2/int8_vec.hpp"

namespace {

using hadal::cpu::BookOf4;
using hadal::cpu::BookOf8;

// Sixteen numbers of 16 bits, taken out of a register four at a time.
struct Numbers {
  uint64_t fours[4];

  HADAL_INLINE explicit Numbers(Ints x) {
    const __m128i low = _mm256_castsi256_si128(x), high = _mm256_extracti128_si256(x, 1);
    fours[0] = static_cast<uint64_t>(_mm_cvtsi128_si64(low));
    fours[1] = static_cast<uint64_t>(_mm_extract_epi64(low, 1));
    fours[2] = static_cast<uint64_t>(_mm_cvtsi128_si64(high));
    fours[3] = static_cast<uint64_t>(_mm_extract_epi64(high, 1));
  }
  HADAL_INLINE uint64_t of(int row, int half) const {
    return (fours[row / 2] >> (row % 2 * 32 + half * 16)) & 0xffff;
  }
};

// Entries of eight levels, as two words of four, those whose numbers are in one half of the words.
HADAL_INLINE void load_8s(const uint64_t* entries, const Numbers& numbers, int half, Ints* words) {
  const auto two = [&](int r) HADAL_LAMBDA {
    const __m128i first =
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(entries + numbers.of(r, half)));
    return _mm_loadh_pi(_mm_castsi128_ps(first),
                        reinterpret_cast<const __m64*>(entries + numbers.of(r + 1, half)));
  };
  const __m256 a = _mm256_set_m128(two(4), two(0)), b = _mm256_set_m128(two(6), two(2));
  words[0] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
  words[1] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
}
HADAL_INLINE Ints load_4s(const uint32_t* entries, const Numbers& numbers, int half) {
  const auto entry = [&](int r)
                         HADAL_LAMBDA { return static_cast<int>(entries[numbers.of(r, half)]); };
  return _mm256_set_epi32(entry(7), entry(6), entry(5), entry(4), entry(3), entry(2), entry(1),
                          entry(0));
}

}  // namespace

#include "backends/cpu/isa/int8_book_loads.hpp"

namespace {

template <size_t n>
HADAL_INLINE void look_up_signed_8s(const BookOf8<n>& book, Ints pairs, Ints signs, int i, int j,
                                    Ints* low, Ints* high) {
  load_signed_8s(book, pairs, signs, i, j, low, high);
}
// Entries of four: the signs are nibbles i and j.
template <size_t n, int offset>
HADAL_INLINE void look_up_signed_4s(const BookOf4<n, offset>& book, Ints pairs, Ints signs, int i,
                                    int j, Ints* low, Ints* high) {
  const Numbers numbers(and_ints(pairs, (n - 1) * 0x00010001u));
  const auto with_signs = [&](Ints x, int nibble) HADAL_LAMBDA {
    const Ints byte = shuffle_words(signs, static_cast<uint32_t>(nibble / 2) * 0x01010101u);
    return mirror_where_bits(x, byte, nibble % 2 == 0 ? 0x08040201u : 0x80402010u, 2 * offset);
  };
  *low = with_signs(load_4s(book.bytes, numbers, 0), i);
  *high = with_signs(load_4s(book.bytes, numbers, 1), j);
}

}  // namespace
