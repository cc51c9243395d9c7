// out = x . w^T by oneDNN. x is rounded first where the product is one of bf16.
#include <cstring>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/onednn/onednn_backend.hpp"
#include "backends/onednn/onednn_guard.hpp"
#include "backends/onednn/onednn_ops.hpp"
#include "backends/reference/op_checks.hpp"

namespace hadal {

using onednn::ProductShape;
using onednn::Type;

void OnednnBackend::matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  run("matmul", [&] {
    check_matmul(x, w, out);
    bool is_done = x.rows == 0;
    const absl::Status status = onednn::guarded("matmul", [&] {
      const auto shape = is_done ? std::nullopt : product(w, x.rows, x.row_stride, out.row_stride);
      if (!shape) return absl::OkStatus();
      is_done = true;
      x.rows == 1 ? multiply_single_row(*shape, x, w, out) : multiply_rows(*shape, x, w, out);
      return absl::OkStatus();
    });
    if (!status.ok()) return keep(status);
    if (!is_done) CpuBackend::matmul(x, w, out);
  });
}

void OnednnBackend::multiply_rows(const ProductShape& shape, const Tensor& x, const Weight& w,
                                  const Tensor& out) {
  ProductShape s = shape;
  s.m = x.rows;
  const bool is_rounded = s.x == Type::bf16;
  const auto row_size = static_cast<size_t>(s.k) * sizeof(uint16_t);
  const size_t rounded_size = is_rounded ? cpu::lines_of<uint16_t>(s.m * s.k) : 0;
  run_in_scratch("matmul", rounded_size + products_.most_scratch_bytes(), [&](std::byte* to) {
    if (is_rounded) {
      workers().for_each_range(s.m, workers().grain(s.m, s.k, 1),
                               [&](int, int64_t first, int64_t n) {
                                 for (int64_t r = first; r < first + n; ++r)
                                   put_row(s, x.row(r), to + static_cast<size_t>(r) * row_size);
                               });
    }
    products_.multiply(s, is_rounded ? to : x.data, w.data, out.row(0), to + rounded_size);
  });
}

// oneDNN sums a single row in another order than many: here it is the first of two.
void OnednnBackend::multiply_single_row(const ProductShape& shape, const Tensor& x, const Weight& w,
                                        const Tensor& out) {
  ProductShape s = shape;
  s.m = 2;
  s.x_stride = s.k;
  s.out_stride = onednn::kSingleRowCols;
  const size_t x_size = cpu::lines_of<float>(2 * s.k);
  const size_t out_size = cpu::lines_of<float>(2 * onednn::kSingleRowCols);
  const size_t size = x_size + out_size + products_.most_scratch_bytes();
  run_in_scratch("matmul", size, [&](std::byte* rows) {
    const size_t row_size = static_cast<size_t>(s.k) * (s.x == Type::bf16 ? 2 : 4);
    put_row(s, x.row(0), rows);
    std::memset(rows + row_size, 0, row_size);
    auto* results = reinterpret_cast<float*>(rows + x_size);
    for (int64_t first = 0; first < w.rows; first += s.n) {
      s.n = std::min(onednn::kSingleRowCols, w.rows - first);
      products_.multiply(s, rows, w.row(0, first), results, rows + x_size + out_size);
      std::memcpy(out.row(0) + first, results, static_cast<size_t>(s.n) * sizeof(float));
    }
  });
}

}  // namespace hadal
