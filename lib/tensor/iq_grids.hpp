// The code books of the IQ formats. Chosen by the formats' author from the vectors that are
// frequent in real weights: they cannot be computed, only stored.
//
// An entry is a list of level numbers, element 0 in the lowest bits: 8 elements of 2 bits in the
// iq2 and iq1 books, 4 elements of 3 bits in the iq3 books.
#pragma once

#include <cstdint>

#include "lib/tensor/iq_grid_entries.hpp"

namespace hadal {

// The values that the level numbers stand for.
inline constexpr int8_t kIq2Levels[4] = {8, 25, 43, 0};
inline constexpr int8_t kIq3xxsLevels[8] = {4, 12, 20, 28, 36, 44, 52, 62};
inline constexpr int8_t kIq3sLevels[8] = {1, 3, 5, 7, 9, 11, 13, 15};
inline constexpr int8_t kIq1Levels[4] = {-1, 0, 1, 0};

}  // namespace hadal
