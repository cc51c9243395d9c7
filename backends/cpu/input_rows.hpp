// The rows of x that a product takes: as they are, and rounded to 8 bits for the weights whose
// blocks have kernels for that.
#pragma once

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/workers.hpp"

namespace hadal::cpu {

struct InputRows {
  const float* const* floats = nullptr;
  const Int8Stretch* const* rounded = nullptr;  // null where no weight asks for them
  int64_t n = 0;

  InputRows some(int64_t first, int64_t n_some) const {
    return {floats + first, rounded == nullptr ? nullptr : rounded + first, n_some};
  }
};

constexpr int64_t stretches(int64_t n_cols) { return (n_cols + kStretch - 1) / kStretch; }
constexpr size_t rounded_bytes(int64_t n_rows, int64_t n_cols) {
  return static_cast<size_t>(n_rows * stretches(n_cols)) * sizeof(Int8Stretch);
}

// Rounds n rows of n_cols, on all threads, to `to`, and sets pointers[i] to where row i went.
void round_rows(Workers& workers, const float* const* rows, int64_t n, int64_t n_cols,
                Int8Stretch* to, const Int8Stretch** pointers);

}  // namespace hadal::cpu
