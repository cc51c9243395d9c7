// Rotary positions. Pairs are neighbours, (0, 1), (2, 3), ..., as the checkpoints store them; other
// programs pair i with i + n/2 and permute the weights instead.
#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

void rotate_pairs(const float* x, const float* cos_sin, int64_t n, float* out) {
  for (int64_t even = 0; even < n; even += 2) {
    const double a = static_cast<double>(x[even]), b = static_cast<double>(x[even + 1]);
    const double cos = static_cast<double>(cos_sin[even]);
    const double sin = static_cast<double>(cos_sin[even + 1]);
    out[even] = static_cast<float>(a * cos - b * sin);
    out[even + 1] = static_cast<float>(a * sin + b * cos);
  }
}

void rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    rotate_pairs(x.row(r), rows.cos_sin.row(r / n_heads), x.cols, x.row(r));
  }
}

}  // namespace hadal::reference
