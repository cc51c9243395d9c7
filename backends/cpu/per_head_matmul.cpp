// Every head has a matrix of its own: items are heads, or parts of a head's outputs where heads are
// fewer than threads.
#include <vector>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {

void per_head_matmul(Workers& workers, const Tensor& x, const Weight& w, const Tensor& out) {
  const int64_t n_heads = w.slices, n_rows = x.rows / n_heads, n_out = w.out_features();
  if (n_rows == 0) return;
  // Row r of head h, head by head.
  std::vector<const float*> from(static_cast<size_t>(x.rows));
  for (int64_t h = 0; h < n_heads; ++h) {
    for (int64_t r = 0; r < n_rows; ++r)
      from[static_cast<size_t>(h * n_rows + r)] = x.row(r * n_heads + h);
  }

  // A head's rows are short: whoever multiplies them rounds them.
  const bool is_int8 = !w.transposed && stretches(w.cols) <= kDeskStretches &&
                       int8_kernels(workers.kernels(), w.dtype) != nullptr;
  // Columns of a stored row begin at blocks only.
  const int64_t step = w.transposed ? kPanelCols : is_int8 ? kInt8Rows : kPanelRows;
  const int64_t whole = n_heads >= 2 * workers.count() ? n_out : 0;
  const int64_t part = std::max(whole, workers.grain(n_out, w.in_features() * n_rows, step));
  const int64_t n_parts = (n_out + part - 1) / part;
  workers.for_each(n_heads * n_parts, [&](int worker, int64_t item) {
    const int64_t h = item / n_parts, first = item % n_parts * part;
    const int64_t n = std::min(part, n_out - first);
    const float* const* rows = from.data() + h * n_rows;
    const Desk desk = workers.desk(worker);
    if (!w.transposed) {
      const int64_t pass = is_int8 ? kPassRows : n_rows;
      for (int64_t r = 0; r < n_rows; r += pass) {
        InputRows input{rows + r, nullptr, std::min(pass, n_rows - r)};
        const Int8Stretch* rounded[kPassRows];
        if (is_int8) {
          for (int64_t i = 0; i < input.n; ++i) {
            rounded[i] = desk.rounded + i * kDeskStretches;
            workers.kernels().round_to_int8(rows[r + i], w.cols, desk.rounded + i * kDeskStretches);
          }
          input.rounded = rounded;
        }
        multiply_rows(workers.kernels(), desk, w, h, first, n, input,
                      out.row(r * n_heads + h) + first, out.row_stride * n_heads);
      }
      return;
    }
    std::vector<float*> to(static_cast<size_t>(n_rows));
    for (int64_t r = 0; r < n_rows; ++r)
      to[static_cast<size_t>(r)] = out.row(r * n_heads + h) + first;
    multiply_columns(workers.kernels(), desk, w, h, first, n, rows, n_rows, to.data());
  });
}

}  // namespace hadal::cpu
