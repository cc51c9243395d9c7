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
// numbers, for a search in registers; the bytes of a word of levels are found in `values`:
//   of 8:  elements 0, 2, 4, 6 in two bits each, then elements 1, 3, 5, 7; `values` takes the two
//          bits at the bottom or two bits higher
//   of 4:  elements 0, 2, 1, 3 in four bits each
template <size_t n>
struct BookOf8 {
  uint64_t bytes[n];
  alignas(64) uint16_t packed[n];
  int8_t values[16];
};
template <size_t n>
struct BookOf4 {
  uint32_t bytes[n];
  alignas(64) uint16_t packed[n];
  int8_t values[16];
};

struct IqBooks {
  BookOf8<256> iq2_xxs;
  BookOf8<512> iq2_xs;
  BookOf8<1024> iq2_s;
  BookOf8<2048> iq1;
  BookOf4<256> iq3_xxs;
  BookOf4<512> iq3_s;
};
extern const IqBooks kIqBooks;

}  // namespace hadal::cpu
