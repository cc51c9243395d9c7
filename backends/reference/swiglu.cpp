// The gate of a feed-forward block: silu(gate) * up, with silu(z) = z / (1 + e^-z).
#include <cmath>

#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

void swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) {
  for (int64_t r = 0; r < out.rows; ++r) {
    for (int64_t c = 0; c < out.cols; ++c) {
      const double z = static_cast<double>(gate.row(r)[c]);
      const double silu = z / (1.0 + std::exp(-z));
      out.row(r)[c] = static_cast<float>(silu * static_cast<double>(up.row(r)[c]));
    }
  }
}

}  // namespace hadal::reference
