// DeepSeekMoE: the router, the routed experts, the shared expert (section 2.1.2 of the V3 report).
#pragma once

#include "backends/backend.hpp"
#include "lib/model/buffers.hpp"
#include "lib/model/config.hpp"
#include "lib/model/weights.hpp"

namespace hadal {

// out = sum of the chosen experts, weighted, plus the shared expert as it is. x and out
// [n_rows, hidden_size].
void moe_forward(Backend& backend, const ModelConfig& config, const MoeWeights& w, const Tensor& x,
                 const MoeBuffers& b, const Tensor& out);

}  // namespace hadal
