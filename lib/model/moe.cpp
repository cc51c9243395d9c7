#include "lib/model/moe.hpp"

#include "lib/model/ffn.hpp"

namespace hadal {

void moe_forward(Backend& backend, const ModelConfig& config, const MoeWeights& w, const Tensor& x,
                 const MoeBuffers& b, const Tensor& out) {
  backend.matmul(x, w.gate, b.logits);
  backend.moe_route({.logits = b.logits,
                     .e_score_correction_bias = w.e_score_correction_bias.is_present()
                                                    ? &w.e_score_correction_bias
                                                    : nullptr,
                     .expert_ids = b.expert_ids,
                     .expert_weights = b.expert_weights,
                     .n_group = config.n_group,
                     .topk_group = config.topk_group,
                     .scoring_func = config.scoring_func,
                     .topk_method = config.topk_method,
                     .norm_topk_prob = config.norm_topk_prob,
                     .routed_scaling_factor = config.routed_scaling_factor});
  backend.moe_ffn({.x = x,
                   .expert_ids = b.expert_ids,
                   .expert_weights = b.expert_weights,
                   .gate_proj = &w.experts.gate_proj,
                   .up_proj = &w.experts.up_proj,
                   .down_proj = &w.experts.down_proj,
                   .out = out});
  if (config.n_shared_experts > 0) {
    // The shared expert sees every token and counts fully: routed_scaling_factor is not for it.
    ffn_forward(backend, w.shared_experts, x, b.shared, b.shared_out);
    backend.add(b.shared_out, out);
  }
}

}  // namespace hadal
