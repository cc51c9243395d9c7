// out = x . w^T, rows of the weight shared out among the threads.
#include <vector>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {

void matmul(Workers& workers, const Tensor& x, const Weight& w, const Tensor& out) {
  if (w.transposed) return per_head_matmul(workers, x, w, out);  // with one head
  if (x.rows == 0) return;
  std::vector<const float*> rows(static_cast<size_t>(x.rows));
  for (int64_t r = 0; r < x.rows; ++r) rows[static_cast<size_t>(r)] = x.row(r);
  const int64_t grain = workers.grain(w.rows, w.cols * x.rows, kPanelRows);
  workers.for_each_range(w.rows, grain, [&](int worker, int64_t first, int64_t n) {
    multiply_rows(workers.kernels(), workers.desk(worker), w, 0, first, n, rows.data(), x.rows,
                  out.row(0) + first, out.row_stride);
  });
}

}  // namespace hadal::cpu
