// Entries of code books for sixteen rows at once: thirty-two numbers of 16 bits in a vector.
#pragma once

#include "backends/cpu/iq_books.hpp"
#include "backends/cpu/isa/avx512/int8_vec.hpp"

namespace {

using hadal::cpu::BookOf4;
using hadal::cpu::BookOf8;

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

constexpr size_t kMostToSearch = 1024;  // entries; beyond, to load them one by one is faster

// Entries of eight levels, that of row r at numbers[2 * r], as two words of four.
HADAL_INLINE void load_8s(const uint64_t* entries, const uint16_t* numbers, Ints* words) {
  const auto two = [=](int r) HADAL_LAMBDA {
    const __m128i first =
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(entries + numbers[2 * r]));
    return _mm_loadh_pi(_mm_castsi128_ps(first),
                        reinterpret_cast<const __m64*>(entries + numbers[2 * r + 2]));
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

// What the numbers of levels in one half of every word mean, as two words.
HADAL_INLINE void unpack_8s(const int8_t* values, Ints packed, uint32_t half_twice, Ints* words) {
  const Ints x = shuffle_words(packed, half_twice);
  words[0] = look_up_bytes(values, and_ints(x, 0x0c0c0303u));
  words[1] = look_up_bytes(values, and_ints(shift_ints_right(x, 4), 0x0c0c0303u));
}
HADAL_INLINE Ints unpack_4s(const int8_t* values, Ints packed, uint32_t half_twice) {
  const Ints x = shuffle_words(packed, half_twice);
  return look_up_bytes(values, _mm512_mask_srli_epi16(x, 0xaaaaaaaau, x, 4));
}

template <size_t n>
HADAL_INLINE void look_up_8s(const BookOf8<n>& book, Ints pairs, Ints* low, Ints* high) {
  if constexpr (n <= kMostToSearch) {
    const Ints packed = search<n>(book.packed, pairs);
    unpack_8s(book.values, packed, 0x01000100u, low);
    unpack_8s(book.values, packed, 0x03020302u, high);
  } else {
    alignas(64) uint16_t numbers[32];
    store_ints(numbers, pairs);
    load_8s(book.bytes, numbers, low);
    load_8s(book.bytes, numbers + 1, high);
  }
}
template <size_t n>
HADAL_INLINE void look_up_4s(const BookOf4<n>& book, Ints pairs, Ints* low, Ints* high) {
  const Ints packed = search<n>(book.packed, pairs);
  *low = unpack_4s(book.values, packed, 0x01000100u);
  *high = unpack_4s(book.values, packed, 0x03020302u);
}

}  // namespace
