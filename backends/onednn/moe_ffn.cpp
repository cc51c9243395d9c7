// The routed experts by oneDNN, one after the other: the rows that chose an expert are gathered,
// multiplied with all threads, and added to their sums. An expert has a fixed place among those of
// a row, so no order of rows or threads shows in the sums.
#include <cstring>
#include <vector>

#include "backends/onednn/onednn_backend.hpp"
#include "backends/onednn/onednn_guard.hpp"
#include "backends/onednn/onednn_ops.hpp"
#include "backends/reference/op_checks.hpp"

namespace hadal {

using onednn::ProductShape;
using onednn::Type;

namespace {

// The choices (row, k) of the batch by expert; within an expert in order of row.
struct Choice {
  int64_t row, k;
};
struct Choices {
  explicit Choices(const MoeFfnArgs& args)
      : first(static_cast<size_t>(args.gate_proj->slices) + 1),
        sorted(static_cast<size_t>(args.x.rows * args.expert_ids.cols)) {
    const auto expert = [&](int64_t r, int64_t k) {
      return static_cast<size_t>(args.expert_ids.row_i32(r)[k]);
    };
    for (int64_t r = 0; r < args.x.rows; ++r) {
      for (int64_t k = 0; k < args.expert_ids.cols; ++k) ++first[expert(r, k) + 1];
    }
    for (size_t e = 1; e < first.size(); ++e) first[e] += first[e - 1];
    std::vector<size_t> next(first.begin(), first.end() - 1);
    for (int64_t r = 0; r < args.x.rows; ++r) {
      for (int64_t k = 0; k < args.expert_ids.cols; ++k) sorted[next[expert(r, k)]++] = {r, k};
    }
  }

  std::vector<size_t> first;  // of each expert, in `sorted`
  std::vector<Choice> sorted;
};

}  // namespace

void OnednnBackend::moe_ffn(const MoeFfnArgs& args) {
  run("moe_ffn", [&] {
    check_moe_ffn(args);
    bool is_done = args.x.rows == 0;
    const absl::Status status = onednn::guarded("moe_ffn", [&] {
      const Weight &gate = *args.gate_proj, &up = *args.up_proj, &down = *args.down_proj;
      const bool is_one_kind = gate.dtype == up.dtype && gate.dtype == down.dtype &&
                               gate.row_stride_bytes == up.row_stride_bytes && !up.transposed &&
                               up.scales.data == nullptr;
      if (is_done || !is_one_kind) return absl::OkStatus();
      const int64_t n_choices = args.x.rows * args.expert_ids.cols;
      const int64_t rows =
          n_choices / std::min(gate.slices, n_choices);  // of an expert, on average
      const auto gate_shape = product(gate, rows, gate.cols, gate.rows);
      const auto down_shape = product(down, rows, down.cols, down.rows);
      if (!gate_shape || !down_shape) return absl::OkStatus();
      is_done = true;
      multiply_experts(*gate_shape, *down_shape, args);
      return absl::OkStatus();
    });
    if (!status.ok()) return keep(status);
    if (!is_done) CpuBackend::moe_ffn(args);
  });
}

void OnednnBackend::multiply_experts(const ProductShape& gate_shape, const ProductShape& down_shape,
                                     const MoeFfnArgs& args) {
  const Weight &gate = *args.gate_proj, &up = *args.up_proj, &down = *args.down_proj;
  const int64_t hidden_size = args.out.cols, inner_size = gate.rows;
  const cpu::Kernels& kernels = workers().kernels();
  const Choices choices(args);
  size_t most = 0;
  for (size_t e = 0; e + 1 < choices.first.size(); ++e)
    most = std::max(most, choices.first[e + 1] - choices.first[e]);
  const int64_t n_at_once = onednn::expert_rows(static_cast<int64_t>(most));
  const int64_t element_bytes = gate_shape.x == Type::bf16 ? 2 : 4;
  const onednn::ExpertsLayout layout(n_at_once, args.x.cols, inner_size, element_bytes);
  const size_t size = layout.end + products_.most_scratch_bytes();

  run_in_scratch("moe_ffn", size, [&](std::byte* scratch) {
    auto* gates = reinterpret_cast<float*>(scratch + layout.gate);
    auto* ups = reinterpret_cast<float*>(scratch + layout.up);
    auto* downs = reinterpret_cast<float*>(scratch + layout.down);
    std::byte* const own = scratch + layout.end;
    const auto each_row = [&](int64_t n, int64_t cost, const auto& body) {
      workers().for_each_range(n, workers().grain(n, cost, 1), [&](int, int64_t i, int64_t count) {
        for (const int64_t end = i + count; i < end; ++i) body(i);
      });
    };

    for (int64_t r = 0; r < args.out.rows; ++r)
      std::memset(args.out.row(r), 0, static_cast<size_t>(hidden_size) * sizeof(float));
    for (size_t e = 0; e + 1 < choices.first.size(); ++e) {
      const auto slice = static_cast<int64_t>(e);
      for (size_t first = choices.first[e]; first < choices.first[e + 1];) {
        const Choice* chosen = choices.sorted.data() + first;
        const int64_t n = std::min(n_at_once, static_cast<int64_t>(choices.first[e + 1] - first));
        first += static_cast<size_t>(n);
        ProductShape to_inner = gate_shape, to_hidden = down_shape;
        to_inner.m = to_hidden.m = onednn::expert_rows(n);

        each_row(n, args.x.cols, [&](int64_t i) {
          put_row(to_inner, args.x.row(chosen[i].row),
                  scratch + layout.x + i * to_inner.k * element_bytes);
        });
        const std::byte* x = scratch + layout.x;
        products_.multiply(to_inner, x, gate.row(slice, 0), gates, own);
        products_.multiply(to_inner, x, up.row(slice, 0), ups, own);
        each_row(n, 4 * inner_size, [&](int64_t i) {
          float* inner = gates + i * inner_size;
          kernels.swiglu(inner, ups + i * inner_size, inner_size, inner);
          put_row(to_hidden, inner, scratch + layout.inner + i * inner_size * element_bytes);
          if (args.inner.data != nullptr) {
            std::memcpy(args.inner.row(chosen[i].row * args.expert_ids.cols + chosen[i].k), inner,
                        static_cast<size_t>(inner_size) * sizeof(float));
          }
        });
        products_.multiply(to_hidden, scratch + layout.inner, down.row(slice, 0), downs, own);
        // By columns: should a row have chosen an expert twice, both are added by one thread.
        workers().for_each_range(hidden_size, workers().grain(hidden_size, n, 64),
                                 [&](int, int64_t column, int64_t n_columns) {
                                   for (int64_t i = 0; i < n; ++i) {
                                     const float weight =
                                         args.expert_weights.row(chosen[i].row)[chosen[i].k];
                                     float* out = args.out.row(chosen[i].row) + column;
                                     const float* result = downs + i * hidden_size + column;
                                     for (int64_t c = 0; c < n_columns; ++c)
                                       out[c] += weight * result[c];
                                   }
                                 });
      }
    }
  });
}

}  // namespace hadal
