// out = x . w^T, rows of the weight shared out among the threads.
#include <vector>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {

namespace {

constexpr size_t kManyRows = 64;

}  // namespace

size_t matmul_scratch(const Workers& workers, DType dtype, int64_t n_rows, int64_t n_cols) {
  return int8_kernels(workers.kernels(), dtype) == nullptr ? 0 : rounded_bytes(n_rows, n_cols);
}

void matmul(Workers& workers, const Tensor& x, const Weight& w, const Tensor& out,
            std::byte* scratch) {
  if (w.transposed) return per_head_matmul(workers, x, w, out);  // with one head
  if (x.rows == 0) return;
  const auto n_rows = static_cast<size_t>(x.rows);
  std::vector<const float*> rows(n_rows);
  for (int64_t r = 0; r < x.rows; ++r) rows[static_cast<size_t>(r)] = x.row(r);
  InputRows input{rows.data(), nullptr, x.rows};
  std::vector<const Int8Stretch*> rounded;
  const bool is_int8 = !w.decides && int8_kernels(workers.kernels(), w.dtype) != nullptr;
  if (is_int8) {
    rounded.resize(n_rows);
    round_rows(workers, rows.data(), x.rows, x.cols, reinterpret_cast<Int8Stretch*>(scratch),
               rounded.data());
    input.rounded = rounded.data();
  }
  int64_t grain = workers.grain(w.rows, w.cols * x.rows, is_int8 ? kInt8Rows : kPanelRows);
  // Every item goes through all rows of x, and many rows are in no near cache: few items then.
  if (n_rows >= kManyRows) grain *= 4;
  workers.for_each_range(w.rows, grain, [&](int worker, int64_t first, int64_t n) {
    multiply_rows(workers.kernels(), workers.desk(worker), w, 0, first, n, input,
                  out.row(0) + first, out.row_stride);
  });
}

}  // namespace hadal::cpu
