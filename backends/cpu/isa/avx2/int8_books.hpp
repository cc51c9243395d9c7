// Entries of code books for eight rows at once. There is no instruction that searches a table of
// this size; a gather is slower than loads one by one.
#pragma once

#include "backends/cpu/iq_books.hpp"
#include "backends/cpu/isa/avx2/int8_vec.hpp"

namespace {

// Entries of eight levels, that of row r at numbers[2 * r], as two words of four.
HADAL_INLINE void load_8s(const uint64_t* entries, const uint16_t* numbers, Ints* words) {
  const auto two = [=](int r) HADAL_LAMBDA {
    const __m128i first =
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(entries + numbers[2 * r]));
    return _mm_loadh_pi(_mm_castsi128_ps(first),
                        reinterpret_cast<const __m64*>(entries + numbers[2 * r + 2]));
  };
  const __m256 a = _mm256_set_m128(two(4), two(0)), b = _mm256_set_m128(two(6), two(2));
  words[0] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
  words[1] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
}
HADAL_INLINE Ints load_4s(const uint32_t* entries, const uint16_t* numbers) {
  const auto entry = [=](int r) HADAL_LAMBDA { return static_cast<int>(entries[numbers[2 * r]]); };
  return _mm256_set_epi32(entry(7), entry(6), entry(5), entry(4), entry(3), entry(2), entry(1),
                          entry(0));
}

// The entries whose numbers are in the low halves of `pairs`, and in the high ones: two words each.
template <class Book>
HADAL_INLINE void look_up_8s(const Book& book, Ints pairs, Ints* low, Ints* high) {
  alignas(32) uint16_t numbers[16];
  store_ints(numbers, pairs);
  load_8s(book.bytes, numbers, low);
  load_8s(book.bytes, numbers + 1, high);
}
// One word each.
template <class Book>
HADAL_INLINE void look_up_4s(const Book& book, Ints pairs, Ints* low, Ints* high) {
  alignas(32) uint16_t numbers[16];
  store_ints(numbers, pairs);
  *low = load_4s(book.bytes, numbers);
  *high = load_4s(book.bytes, numbers + 1);
}

}  // namespace
