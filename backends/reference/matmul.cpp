// out = x . w^T. A row of the weight is decoded once and used for every row of x.
#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// The rows stored are [in, out]: each is what one input adds to all outputs.
static void matmul_transposed(const Tensor& x, const Weight& w, int64_t slice, const Tensor& out) {
  std::vector<double> sums(static_cast<size_t>(x.rows * w.cols));
  for (int64_t i = 0; i < w.rows; ++i) {
    const std::vector<float> row = decoded_row(w, slice, i);
    for (int64_t r = 0; r < x.rows; ++r) {
      const double factor = static_cast<double>(x.row(r)[i]);
      double* sum = sums.data() + r * w.cols;
      for (int64_t o = 0; o < w.cols; ++o) {
        sum[o] += factor * static_cast<double>(row[static_cast<size_t>(o)]);
      }
    }
  }
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t o = 0; o < w.cols; ++o) {
      out.row(r)[o] = static_cast<float>(sums[static_cast<size_t>(r * w.cols + o)]);
    }
  }
}

void matmul(const Tensor& x, const Weight& w, int64_t slice, const Tensor& out) {
  if (w.transposed) return matmul_transposed(x, w, slice, out);
  for (int64_t o = 0; o < w.rows; ++o) {
    const std::vector<float> row = decoded_row(w, slice, o);
    for (int64_t r = 0; r < x.rows; ++r) {
      out.row(r)[o] = static_cast<float>(dot(row.data(), x.row(r), w.cols));
    }
  }
}

}  // namespace hadal::reference
