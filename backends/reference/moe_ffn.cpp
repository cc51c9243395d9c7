// The routed experts: each row goes through the experts chosen for it and no others, and their
// results are summed with its weights.
#include <algorithm>

#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

static Tensor one_row(std::vector<float>& values) {
  return Tensor::f32(values.data(), 1, static_cast<int64_t>(values.size()));
}

void moe_ffn(const MoeFfnArgs& args) {
  std::vector<float> gate(static_cast<size_t>(args.gate_proj->out_features()));
  std::vector<float> up(gate.size());
  std::vector<float> down(static_cast<size_t>(args.out.cols));
  for (int64_t r = 0; r < args.x.rows; ++r) {
    const Tensor x = Tensor::f32(args.x.row(r), 1, args.x.cols);
    std::vector<double> sums(down.size());
    for (int64_t k = 0; k < args.expert_ids.cols; ++k) {
      const int64_t expert = args.expert_ids.row_i32(r)[k];
      matmul(x, *args.gate_proj, expert, one_row(gate));
      matmul(x, *args.up_proj, expert, one_row(up));
      swiglu(one_row(gate), one_row(up), one_row(gate));
      if (args.inner.data != nullptr) {
        std::copy(gate.begin(), gate.end(), args.inner.row(r * args.expert_ids.cols + k));
      }
      matmul(one_row(gate), *args.down_proj, expert, one_row(down));
      const double weight = static_cast<double>(args.expert_weights.row(r)[k]);
      for (size_t c = 0; c < down.size(); ++c) sums[c] += weight * static_cast<double>(down[c]);
    }
    for (size_t c = 0; c < sums.size(); ++c) args.out.row(r)[c] = static_cast<float>(sums[c]);
  }
}

}  // namespace hadal::reference
