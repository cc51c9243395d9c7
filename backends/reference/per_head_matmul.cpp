// Every head has a matrix of its own: carries the queries into the latent space (k_b_proj) and what
// attention gives back out of it (v_b_proj).
#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

// Row `head` of every group of n_heads rows.
static Tensor rows_of_head(const Tensor& x, int64_t head, int64_t n_heads) {
  Tensor view = x;
  view.data += head * x.row_stride * static_cast<int64_t>(sizeof(float));
  view.rows = x.rows / n_heads;
  view.row_stride = x.row_stride * n_heads;
  return view;
}

void per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  for (int64_t h = 0; h < w.slices; ++h) {
    matmul(rows_of_head(x, h, w.slices), w, h, rows_of_head(out, h, w.slices));
  }
}

}  // namespace hadal::reference
