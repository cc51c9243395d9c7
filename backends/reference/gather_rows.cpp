// Picks the rows whose logits are wanted.
#include <algorithm>

#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

void gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) {
  for (int64_t r = 0; r < out.rows; ++r) {
    std::copy_n(x.row(*row_ids.row_i32(r)), out.cols, out.row(r));
  }
}

}  // namespace hadal::reference
