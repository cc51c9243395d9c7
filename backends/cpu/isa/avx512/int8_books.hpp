// Entries of code books for sixteen rows at once: thirty-two numbers of 16 bits in a vector.
#pragma once

#include "backends/cpu/iq_books.hpp"
#include "backends/cpu/isa/avx512/int8_vec.hpp"

namespace {

using hadal::cpu::BookOf4;
using hadal::cpu::BookOf8;
using hadal::cpu::kSignsOf4s;
using hadal::cpu::kSignsOf8s;

// table[number] of n numbers of 16 bits; bits of the numbers beyond are ignored. A table of 64 is
// one instruction; of larger ones every part is asked, and the top bits choose.
template <size_t n>
HADAL_INLINE __m512i search(const uint16_t* table, __m512i numbers) {
  if constexpr (n == 64) {
    return _mm512_permutex2var_epi16(load_ints(table), numbers, load_ints(table + 32));
  } else {
    const __mmask32 is_high = _mm512_test_epi16_mask(numbers, _mm512_set1_epi16(n / 2));
    return _mm512_mask_blend_epi16(is_high, search<n / 2>(table, numbers),
                                   search<n / 2>(table + n / 2, numbers));
  }
}

constexpr size_t kMostToSearch = 512;  // entries; beyond, to load them one by one is faster

// Thirty-two numbers of 16 bits, taken out of a register four at a time.
struct Numbers {
  uint64_t fours[8];

  HADAL_INLINE explicit Numbers(Ints x) {
    take<0>(x);
    take<1>(x);
    take<2>(x);
    take<3>(x);
  }
  HADAL_INLINE uint64_t of(int row, int half) const {
    return (fours[row / 2] >> (row % 2 * 32 + half * 16)) & 0xffff;
  }

 private:
  template <int i>
  HADAL_INLINE void take(Ints x) {
    const __m128i part = _mm512_extracti32x4_epi32(x, i);
    fours[2 * i] = static_cast<uint64_t>(_mm_cvtsi128_si64(part));
    fours[2 * i + 1] = static_cast<uint64_t>(_mm_extract_epi64(part, 1));
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
  const auto eight = [&](int r) HADAL_LAMBDA {
    const __m256 low = _mm256_set_m128(two(r + 4), two(r));
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), _mm256_set_m128(two(r + 12), two(r + 8)),
                              1);
  };
  const __m512 a = eight(0), b = eight(2);
  words[0] = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88));
  words[1] = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xdd));
}

}  // namespace

#include "backends/cpu/isa/int8_book_loads.hpp"

namespace {

// ---- Signs --------------------------------------------------------------------------------------

// Four signs, nibble i of every word, as four bytes out of a table of sixteen words.
HADAL_INLINE Ints four_signs(const uint32_t* table, Ints signs, int i) {
  const Ints half = i < 4 ? signs : shift_ints_right(signs, 16);
  const Ints nibble = i % 4 == 0 ? half : shift_halves_right(half, i % 4 * 4);
  return _mm512_permutexvar_epi32(nibble, load_ints(table));
}

// ---- Entries of books ---------------------------------------------------------------------------

// Two words of levels out of one half of every packed word; a byte of `signs` is 0 or the bits that
// are free beside a number.
HADAL_INLINE void unpack_8s(const int8_t* values, Ints packed, uint32_t half_twice, Ints first,
                            Ints second, Ints* words) {
  const Ints x = shuffle_words(packed, half_twice);
  words[0] = look_up_bytes(values, select_bits(0x0c0c0303u, x, first));
  words[1] = look_up_bytes(values, select_bits(0x0c0c0303u, shift_halves_right(x, 4), second));
}
HADAL_INLINE Ints unpack_4s(const int8_t* values, Ints packed, uint32_t half_twice, Ints signs) {
  const Ints x = shuffle_words(packed, half_twice);
  // The low halves by 1 bit, the high ones by 5.
  const Ints shifted = _mm512_mulhi_epu16(x, _mm512_set1_epi32(0x08008000));
  return look_up_bytes(values, or_ints(shifted, signs));
}

// As load_signed_8s(), which it is for large books.
template <size_t n>
HADAL_INLINE void look_up_signed_8s(const BookOf8<n>& book, Ints pairs, Ints signs, int i, int j,
                                    Ints* low, Ints* high) {
  if constexpr (n <= kMostToSearch) {
    const Ints packed = search<n>(book.packed, pairs);
    unpack_8s(book.values, packed, 0x01000100u, four_signs(kSignsOf8s, signs, 2 * i),
              four_signs(kSignsOf8s, signs, 2 * i + 1), low);
    unpack_8s(book.values, packed, 0x03020302u, four_signs(kSignsOf8s, signs, 2 * j),
              four_signs(kSignsOf8s, signs, 2 * j + 1), high);
  } else {
    load_signed_8s(book, pairs, signs, i, j, low, high);
  }
}
// Entries of four: the signs are nibbles i and j.
template <size_t n, int offset>
HADAL_INLINE void look_up_signed_4s(const BookOf4<n, offset>& book, Ints pairs, Ints signs, int i,
                                    int j, Ints* low, Ints* high) {
  const Ints packed = search<n>(book.packed, pairs);
  *low = unpack_4s(book.values, packed, 0x01000100u, four_signs(kSignsOf4s, signs, i));
  *high = unpack_4s(book.values, packed, 0x03020302u, four_signs(kSignsOf4s, signs, j));
}

}  // namespace
