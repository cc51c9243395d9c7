// See iq_books.hpp. All of it is computed by the compiler.
#include "backends/cpu/iq_books.hpp"

#include "lib/tensor/iq_grids.hpp"

namespace hadal::cpu {
namespace {

constexpr int8_t small(int value) { return static_cast<int8_t>(value); }

template <size_t n>
constexpr BookOf8<n> book_of_8(const uint16_t (&grid)[n], const int8_t (&levels)[4], int factor,
                               int offset) {
  BookOf8<n> book{};
  int8_t bytes[3] = {};
  for (int number = 0; number < 3; ++number) {
    const int level = factor * levels[number];
    bytes[number] = small(level + offset);
    book.values[number] = book.values[4 * number] = bytes[number];
    book.values[12 + number] = book.values[4 * number + 3] = small(offset - level);
  }
  for (size_t e = 0; e < n; ++e) {
    for (int i = 0; i < 8; ++i) {
      const uint32_t number = (uint32_t{grid[e]} >> (2 * i)) & 3;
      book.bytes[e] |= static_cast<uint64_t>(bytes[number]) << (8 * i);
      book.packed[e] = static_cast<uint16_t>(book.packed[e] | number << (8 * (i % 2) + i / 2 * 2));
    }
  }
  return book;
}

template <size_t n, int offset>
constexpr BookOf4<n, offset> book_of_4(const uint16_t (&grid)[n], const int8_t (&levels)[8]) {
  BookOf4<n, offset> book{};
  for (int number = 0; number < 8; ++number) {
    book.values[number] = small(offset + levels[number]);
    book.values[8 + number] = small(offset - levels[number]);
  }
  for (size_t e = 0; e < n; ++e) {
    for (int i = 0; i < 4; ++i) {
      const uint32_t number = (uint32_t{grid[e]} >> (3 * i)) & 7;
      book.bytes[e] |= static_cast<uint32_t>(book.values[number]) << (8 * i);
      book.packed[e] =
          static_cast<uint16_t>(book.packed[e] | number << (8 * (i % 2) + i / 2 * 4 + 1));
    }
  }
  return book;
}

}  // namespace

constinit const IqBooks kIqBooks = {
    book_of_8(kIq2xxsGrid, kIq2Levels, 1, 64),      book_of_8(kIq2xsGrid, kIq2Levels, 1, 64),
    book_of_8(kIq2sGrid, kIq2Levels, 1, 64),        book_of_8(kIq1sGrid, kIq1Levels, 8, 17),
    book_of_4<256, 64>(kIq3xxsGrid, kIq3xxsLevels), book_of_4<512, 16>(kIq3sGrid, kIq3sLevels),
};

#define HADAL_SIGNS(a, b, c, d)                                                             \
  0, a, b, a | b, c, a | c, b | c, a | b | c, d, a | d, b | d, a | b | d, c | d, a | c | d, \
      b | c | d, a | b | c | d
const uint32_t kSignsOf8s[16] = {HADAL_SIGNS(0x0cu, 0x0c00u, 0x030000u, 0x03000000u)};
const uint32_t kSignsOf4s[16] = {HADAL_SIGNS(0x08u, 0x0800u, 0x080000u, 0x08000000u)};

}  // namespace hadal::cpu
