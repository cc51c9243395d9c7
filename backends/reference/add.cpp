// Adds a block's result to the residual stream.
#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

void add(const Tensor& x, const Tensor& sum) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) sum.row(r)[c] += x.row(r)[c];
  }
}

}  // namespace hadal::reference
