// Entries of eight levels, loaded from their book one by one, in terms of the Numbers and load_8s()
// of an int8_books.hpp, which includes this file after them.
#pragma once

namespace {

// The entries whose numbers are in the low halves of `pairs`, and in the high ones: two words each.
// Bits beyond the numbers of a book are ignored.
template <size_t n>
HADAL_INLINE void look_up_8s(const BookOf8<n>& book, Ints pairs, Ints* low, Ints* high) {
  const Numbers numbers(and_ints(pairs, (n - 1) * 0x00010001u));
  load_8s(book.bytes, numbers, 0, low);
  load_8s(book.bytes, numbers, 1, high);
}
// The same with signs: those of the low entries are byte i of the words of `signs`, those of the
// high ones byte j.
template <size_t n>
HADAL_INLINE void load_signed_8s(const BookOf8<n>& book, Ints pairs, Ints signs, int i, int j,
                                 Ints* low, Ints* high) {
  look_up_8s(book, pairs, low, high);
  const Ints a = shuffle_words(signs, static_cast<uint32_t>(i) * 0x01010101u);
  const Ints b = shuffle_words(signs, static_cast<uint32_t>(j) * 0x01010101u);
  low[0] = mirror_where_bits(low[0], a, 0x08040201u, 128);
  low[1] = mirror_where_bits(low[1], a, 0x80402010u, 128);
  high[0] = mirror_where_bits(high[0], b, 0x08040201u, 128);
  high[1] = mirror_where_bits(high[1], b, 0x80402010u, 128);
}

}  // namespace
