// Steps that treat every row by itself and are small: rows (or, where one row is long, parts of it)
// shared out among the threads.
#include <cmath>
#include <vector>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/weight_rows.hpp"
#include "backends/reference/reference_ops.hpp"

namespace hadal::cpu {

void embed(Workers& workers, const Tensor& token_id, const Weight& w, const Tensor& out) {
  const int64_t grain = workers.grain(out.rows, out.cols, 1);
  workers.for_each_range(out.rows, grain, [&](int, int64_t first, int64_t n) {
    for (int64_t r = first; r < first + n; ++r)
      decode_columns(workers.kernels(), w, 0, *token_id.row_i32(r), 0, w.cols, out.row(r));
  });
}

void rms_norm(Workers& workers, const Tensor& x, const Weight& gain, float eps, const Tensor& out) {
  const Kernels& kernels = workers.kernels();
  std::vector<float> g(static_cast<size_t>(gain.cols));
  decode(kernels, gain.dtype, gain.row(0, 0), gain.cols, g.data());
  const int64_t grain = workers.grain(x.rows, 2 * x.cols, 1);
  workers.for_each_range(x.rows, grain, [&](int, int64_t first, int64_t n) {
    for (int64_t r = first; r < first + n; ++r) {
      const float mean = kernels.sum_of_squares(x.row(r), x.cols) / static_cast<float>(x.cols);
      kernels.scale(x.row(r), 1.0f / std::sqrt(mean + eps), g.data(), x.cols, out.row(r));
    }
  });
}

void rope(Workers& workers, const BatchRows& rows, int32_t n_heads, const Tensor& x) {
  const int64_t grain = workers.grain(x.rows, 4 * x.cols, 1);
  workers.for_each_range(x.rows, grain, [&](int, int64_t first, int64_t n) {
    for (int64_t r = first; r < first + n; ++r)
      reference::rotate_pairs(x.row(r), rows.cos_sin.row(r / n_heads), x.cols, x.row(r));
  });
}

void swiglu(Workers& workers, const Tensor& gate, const Tensor& up, const Tensor& out) {
  const int64_t grain = workers.grain(out.rows, 8 * out.cols, 1);
  workers.for_each_range(out.rows, grain, [&](int, int64_t first, int64_t n) {
    for (int64_t r = first; r < first + n; ++r)
      workers.kernels().swiglu(gate.row(r), up.row(r), out.cols, out.row(r));
  });
}

void add(Workers& workers, const Tensor& x, const Tensor& sum) {
  const int64_t grain = workers.grain(sum.rows, sum.cols, 1);
  workers.for_each_range(sum.rows, grain, [&](int, int64_t first, int64_t n) {
    reference::add(rows_of(x, first, n), rows_of(sum, first, n));
  });
}

// Exact and short of work: the reference as it is, its rows on several threads.
void moe_route(Workers& workers, const MoeRouteArgs& args) {
  const int64_t grain = workers.grain(args.logits.rows, 64 * args.logits.cols, 1);
  workers.for_each_range(args.logits.rows, grain, [&](int, int64_t first, int64_t n) {
    MoeRouteArgs part = args;
    part.logits = rows_of(args.logits, first, n);
    part.expert_ids = rows_of(args.expert_ids, first, n);
    part.expert_weights = rows_of(args.expert_weights, first, n);
    reference::moe_route(part);
  });
}

}  // namespace hadal::cpu
