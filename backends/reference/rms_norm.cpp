// Root-mean-square normalisation: no mean is subtracted and there is no bias.
#include <cmath>

#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

void rms_norm_row(const float* x, const float* gain, int64_t n, float eps, float* out) {
  const double mean_square = dot(x, x, n) / static_cast<double>(n);
  const double inverse = 1.0 / std::sqrt(mean_square + static_cast<double>(eps));
  for (int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>(static_cast<double>(x[i]) * inverse * static_cast<double>(gain[i]));
  }
}

void rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) {
  const std::vector<float> g = decoded_row(gain, 0, 0);
  for (int64_t r = 0; r < x.rows; ++r) rms_norm_row(x.row(r), g.data(), x.cols, eps, out.row(r));
}

}  // namespace hadal::reference
