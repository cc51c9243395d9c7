// The SwiGLU feed-forward of dense layers and shared experts (section 2.1.2 of the V3 report).
#pragma once

#include "backends/backend.hpp"
#include "lib/model/buffers.hpp"
#include "lib/model/weights.hpp"

namespace hadal {

// out = down_proj(silu(gate_proj(x)) * up_proj(x)); x and out [n_rows, hidden_size].
void ffn_forward(Backend& backend, const FfnWeights& w, const Tensor& x, const FfnBuffers& b,
                 const Tensor& out);

}  // namespace hadal
