// The routed experts. Rows are grouped by expert, so that each expert's weights are read once for
// the whole batch however many rows chose it. Two phases, the inner activations in between:
//   1. items are (expert, part of its inner width): silu(gate(x)) * up(x) of the rows that chose
//   it;
//   2. items are parts of the hidden width, with all experts: down() of every choice, then the sum
//      of each row over its own choices, in their order. No order of threads or experts shows in
//      it.
#include <cstring>
#include <vector>

#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/weight_rows.hpp"

namespace hadal::cpu {
namespace {

// Outputs of a phase 2 item: wide enough to read whole stretches of a weight, narrow enough for
// the results of all choices to stay in the L2 cache.
int64_t down_width(int64_t n_choices) {
  constexpr int64_t kFloats = 1 << 16;
  const int64_t fitting = kFloats / std::max<int64_t>(1, n_choices) / kPanelRows * kPanelRows;
  return std::clamp<int64_t>(fitting, kPanelRows, 8 * kPanelRows);
}
constexpr int64_t kInnerWidth = 8 * kPanelRows;

// The choices (row, k) of the batch, sorted by expert; within an expert in order of row.
struct Choices {
  explicit Choices(const MoeFfnArgs& args)
      : first_of_expert(static_cast<size_t>(args.gate_proj->slices) + 1),
        place(static_cast<size_t>(args.x.rows * args.expert_ids.cols)),
        x(place.size()) {
    const int64_t top_k = args.expert_ids.cols;
    for (int64_t r = 0; r < args.x.rows; ++r) {
      for (int64_t k = 0; k < top_k; ++k) ++first_of_expert[expert_of(args, r, k) + 1];
    }
    for (size_t e = 1; e < first_of_expert.size(); ++e)
      first_of_expert[e] += first_of_expert[e - 1];
    std::vector<int64_t> next(first_of_expert.begin(), first_of_expert.end() - 1);
    for (int64_t r = 0; r < args.x.rows; ++r) {
      for (int64_t k = 0; k < top_k; ++k) {
        const int64_t p = next[expert_of(args, r, k)]++;
        place[static_cast<size_t>(r * top_k + k)] = p;
        x[static_cast<size_t>(p)] = args.x.row(r);
      }
    }
    for (size_t e = 0; e + 1 < first_of_expert.size(); ++e) {
      if (count(static_cast<int64_t>(e)) > 0) experts.push_back(static_cast<int64_t>(e));
    }
  }

  static size_t expert_of(const MoeFfnArgs& args, int64_t r, int64_t k) {
    return static_cast<size_t>(args.expert_ids.row_i32(r)[k]);
  }
  int64_t first(int64_t e) const { return first_of_expert[static_cast<size_t>(e)]; }
  int64_t count(int64_t e) const { return first_of_expert[static_cast<size_t>(e) + 1] - first(e); }
  int64_t size() const { return static_cast<int64_t>(place.size()); }

  std::vector<int64_t> first_of_expert;
  std::vector<int64_t> place;    // [rows * top_k], where in the sorted order a choice is
  std::vector<const float*> x;   // in the sorted order
  std::vector<int64_t> experts;  // that somebody chose, by id
};

int64_t width_of_desk(int64_t n_choices) { return std::max(kInnerWidth, down_width(n_choices)); }

}  // namespace

int64_t moe_ffn_scratch(const Workers& workers, int64_t n_choices, int64_t inner_size) {
  return n_choices * (inner_size + workers.count() * width_of_desk(n_choices));
}

void moe_ffn(Workers& workers, const MoeFfnArgs& args, float* scratch) {
  const Weight &gate = *args.gate_proj, &up = *args.up_proj, &down = *args.down_proj;
  HADAL_CHECK(!gate.transposed && !up.transposed && !down.transposed);
  const Kernels& kernels = workers.kernels();
  const int64_t inner_size = gate.rows, hidden_size = args.out.cols, top_k = args.expert_ids.cols;
  const Choices choices(args);
  float* inner = scratch;  // [choices][inner_size], in the sorted order
  float* desks = scratch + choices.size() * inner_size;
  const auto desk_of = [&](int worker) {
    return desks + worker * choices.size() * width_of_desk(choices.size());
  };

  const int64_t n_parts = (inner_size + kInnerWidth - 1) / kInnerWidth;
  const auto n_experts = static_cast<int64_t>(choices.experts.size());
  workers.for_each(n_experts * n_parts, [&](int worker, int64_t item) {
    const int64_t e = choices.experts[static_cast<size_t>(item / n_parts)];
    const int64_t first = item % n_parts * kInnerWidth;
    const int64_t n = std::min(kInnerWidth, inner_size - first);
    const float* const* x = choices.x.data() + choices.first(e);
    float* to = inner + choices.first(e) * inner_size + first;
    float* ups = desk_of(worker);
    const Desk desk = workers.desk(worker);
    multiply_rows(kernels, desk, gate, e, first, n, x, choices.count(e), to, inner_size);
    multiply_rows(kernels, desk, up, e, first, n, x, choices.count(e), ups, n);
    for (int64_t j = 0; j < choices.count(e); ++j)
      kernels.swiglu(to + j * inner_size, ups + j * n, n, to + j * inner_size);
  });

  std::vector<const float*> inner_rows(choices.x.size());
  for (size_t i = 0; i < inner_rows.size(); ++i)
    inner_rows[i] = inner + static_cast<int64_t>(i) * inner_size;
  const int64_t width = down_width(choices.size());
  workers.for_each_range(hidden_size, width, [&](int worker, int64_t first, int64_t n) {
    float* results = desk_of(worker);  // [choices][n]
    for (const int64_t e : choices.experts) {
      multiply_rows(kernels, workers.desk(worker), down, e, first, n,
                    inner_rows.data() + choices.first(e), choices.count(e),
                    results + choices.first(e) * n, n);
    }
    for (int64_t r = 0; r < args.out.rows; ++r) {
      float* out = args.out.row(r) + first;
      std::memset(out, 0, static_cast<size_t>(n) * sizeof(float));
      for (int64_t k = 0; k < top_k; ++k) {
        const float weight = args.expert_weights.row(r)[k];
        const float* result = results + choices.place[static_cast<size_t>(r * top_k + k)] * n;
        for (int64_t c = 0; c < n; ++c) out[c] += weight * result[c];
      }
    }
  });
}

}  // namespace hadal::cpu
