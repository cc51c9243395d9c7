// The code books of the IQ formats as the kernels look levels up in them. Plain structs only: files
// under isa/ include this one, as kernels.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hadal::cpu {

// Levels are stored higher by an offset, so that none is negative even when its sign is turned:
// by 64 in the iq2 books and that of iq3_xxs, by 16 in that of iq3_s. That of iq1 has 8 * level +
// 17, from which 2 is taken where the delta of 1 / 8 is negative: 16 more than 8 * (level + delta).
//
// Each entry is there twice. `bytes` has a byte per level, element 0 the lowest. `packed` has their
// numbers, for a search in registers; `values` has what four bits with such a number mean, sign
// included:
//   of 8:  two bits each, elements 0, 2, 4, 6 in the first byte, then 1, 3, 5, 7. Of a word of
//          levels the first two numbers are in the low two bits of the four and the others in the
//          high two. No number is 3, and so the other two bits set say that the level is negative.
//   of 4:  four bits each, elements 0, 2, 1, 3, from bit 1 on; the highest bit is the sign's
template <size_t n>
struct BookOf8 {
  uint64_t bytes[n];
  alignas(64) uint16_t packed[n];
  int8_t values[16];
};
template <size_t n, int offset>
struct BookOf4 {
  static constexpr int kOffset = offset;

  uint32_t bytes[n];
  alignas(64) uint16_t packed[n];
  int8_t values[16];
};

struct IqBooks {
  BookOf8<256> iq2_xxs;
  BookOf8<512> iq2_xs;
  BookOf8<1024> iq2_s;
  BookOf8<2048> iq1;
  BookOf4<256, 64> iq3_xxs;
  BookOf4<512, 16> iq3_s;
};
extern const IqBooks kIqBooks;

// For each four signs, the lowest first, the bits that they are beside the numbers of four levels.
extern const uint32_t kSignsOf8s[16];
extern const uint32_t kSignsOf4s[16];

}  // namespace hadal::cpu
