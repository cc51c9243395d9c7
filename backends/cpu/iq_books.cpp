// See iq_books.hpp. All of it is computed by the compiler.
#include "backends/cpu/iq_books.hpp"

#include "lib/tensor/iq_grids.hpp"

namespace hadal::cpu {
namespace {

template <size_t n>
constexpr BookOf8<n> book_of_8(const uint16_t (&grid)[n], const int8_t (&levels)[4], int factor,
                               int offset) {
  BookOf8<n> book{};
  for (int number = 0; number < 4; ++number) {
    const int value = factor * levels[number] + offset;
    book.values[number] = static_cast<int8_t>(value);
    book.values[4 * number] = static_cast<int8_t>(value);
  }
  for (size_t e = 0; e < n; ++e) {
    for (int i = 0; i < 8; ++i) {
      const uint32_t number = (uint32_t{grid[e]} >> (2 * i)) & 3;
      book.bytes[e] |= static_cast<uint64_t>(book.values[number]) << (8 * i);
      book.packed[e] = static_cast<uint16_t>(book.packed[e] | number << (8 * (i % 2) + i / 2 * 2));
    }
  }
  return book;
}

template <size_t n>
constexpr BookOf4<n> book_of_4(const uint16_t (&grid)[n], const int8_t (&levels)[8], int offset) {
  BookOf4<n> book{};
  for (int number = 0; number < 8; ++number)
    book.values[number] = static_cast<int8_t>(levels[number] + offset);
  for (size_t e = 0; e < n; ++e) {
    for (int i = 0; i < 4; ++i) {
      const uint32_t number = (uint32_t{grid[e]} >> (3 * i)) & 7;
      book.bytes[e] |= static_cast<uint32_t>(book.values[number]) << (8 * i);
      book.packed[e] = static_cast<uint16_t>(book.packed[e] | number << (8 * (i % 2) + i / 2 * 4));
    }
  }
  return book;
}

}  // namespace

constinit const IqBooks kIqBooks = {
    book_of_8(kIq2xxsGrid, kIq2Levels, 1, 64), book_of_8(kIq2xsGrid, kIq2Levels, 1, 64),
    book_of_8(kIq2sGrid, kIq2Levels, 1, 64),   book_of_8(kIq1sGrid, kIq1Levels, 8, 17),
    book_of_4(kIq3xxsGrid, kIq3xxsLevels, 64), book_of_4(kIq3sGrid, kIq3sLevels, 16),
};

}  // namespace hadal::cpu
