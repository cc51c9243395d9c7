// Entries of code books for four rows at once, loaded one by one.
#pragma once

#include "backends/cpu/iq_books.hpp"
#include "backends/cpu/isa/neon/int8_vec.hpp"

namespace {

using hadal::cpu::BookOf4;
using hadal::cpu::BookOf8;

// Eight numbers of 16 bits, taken out of a register four at a time.
struct Numbers {
  uint64_t fours[2];

  HADAL_INLINE explicit Numbers(Ints x)
      : fours{vgetq_lane_u64(vreinterpretq_u64_s32(x), 0),
              vgetq_lane_u64(vreinterpretq_u64_s32(x), 1)} {}
  HADAL_INLINE uint64_t of(int row, int half) const {
    return (fours[row / 2] >> (row % 2 * 32 + half * 16)) & 0xffff;
  }
};

// Entries of eight levels, as two words of four, those whose numbers are in one half of the words.
HADAL_INLINE void load_8s(const uint64_t* entries, const Numbers& numbers, int half, Ints* words) {
  const auto two = [&](int r) HADAL_LAMBDA {
    return vreinterpretq_s32_u64(vcombine_u64(vld1_u64(entries + numbers.of(r, half)),
                                              vld1_u64(entries + numbers.of(r + 1, half))));
  };
  const Ints a = two(0), b = two(2);
  words[0] = vuzp1q_s32(a, b);
  words[1] = vuzp2q_s32(a, b);
}
HADAL_INLINE Ints load_4s(const uint32_t* entries, const Numbers& numbers, int half) {
  return as_ints(uint32x4_t{entries[numbers.of(0, half)], entries[numbers.of(1, half)],
                            entries[numbers.of(2, half)], entries[numbers.of(3, half)]});
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
