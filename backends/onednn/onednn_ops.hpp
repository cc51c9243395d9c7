// What the ops of this backend share: how much they work on at once, and so how much memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "backends/cpu/workers.hpp"

namespace hadal::onednn {

// A single row is run as the first of two, so many outputs at a time.
inline constexpr int64_t kSingleRowCols = 8192;
// Rows of an expert come in multiples of the first, so that few products do for all numbers of
// them, and at most the second at once.
inline constexpr int64_t kExpertRowStep = 8;
inline constexpr int64_t kMostExpertRows = 256;

inline int64_t expert_rows(int64_t n_rows) {
  const int64_t rounded = (n_rows + kExpertRowStep - 1) / kExpertRowStep * kExpertRowStep;
  return std::min(rounded, kMostExpertRows);
}

// The parts of the scratch of moe_ffn, in bytes from its beginning.
struct ExpertsLayout {
  size_t x = 0;      // [n_rows][hidden_size], as the products want it
  size_t gate = 0;   // f32 [n_rows][inner_size]
  size_t up = 0;     // f32 [n_rows][inner_size]
  size_t inner = 0;  // [n_rows][inner_size], as the products want it
  size_t down = 0;   // f32 [n_rows][hidden_size]
  size_t end = 0;    // oneDNN's own follows

  ExpertsLayout(int64_t n_rows, int64_t hidden_size, int64_t inner_size, int64_t element_bytes) {
    gate = x + cpu::lines_of<std::byte>(n_rows * hidden_size * element_bytes);
    up = gate + cpu::lines_of<float>(n_rows * inner_size);
    inner = up + cpu::lines_of<float>(n_rows * inner_size);
    down = inner + cpu::lines_of<std::byte>(n_rows * inner_size * element_bytes);
    end = down + cpu::lines_of<float>(n_rows * hidden_size);
  }
};

}  // namespace hadal::onednn
