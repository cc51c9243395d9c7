// Keys and values are never kept expanded. For few rows each query head is carried into the latent
// space (k_b_proj), attends to the 512 + 64 wide cache rows there, and its result is carried back
// out (v_b_proj); DeepSeek's inference/model.py calls this "absorb". For many rows of one session
// it is cheaper to carry keys and values out, a part at a time.
#include "lib/model/mla.hpp"

namespace hadal {

MlaForm cheaper_form(const ModelConfig& config, const Batch& batch) {
  // Multiplications, of one head.
  const double rank = config.kv_lora_rank, n_rope = config.qk_rope_head_dim;
  const double carrying = rank * (config.qk_nope_head_dim + config.v_head_dim);
  const double of_latent_pair = 2 * rank + n_rope;
  const double of_expanded_pair = config.qk_head_dim() + config.v_head_dim;
  double absorbed = 0.0, expanded = 0.0;
  const std::vector<int32_t>&session = batch.session(), &position = batch.position();
  for (size_t r = 0; r < position.size(); ++r) {
    const double n_positions = position[r] + 1.0;
    absorbed += carrying + n_positions * of_latent_pair;
    expanded += n_positions * of_expanded_pair;
    const bool is_last_of_its_session = r + 1 == position.size() || session[r + 1] != session[r];
    if (is_last_of_its_session) expanded += n_positions * carrying;
  }
  return expanded < absorbed ? MlaForm::kExpanded : MlaForm::kAbsorbed;
}

void mla_forward(Backend& backend, const ModelConfig& config, const MlaWeights& w, MlaForm form,
                 float softmax_scale, const BatchRows& rows, const CacheLayer& latent_cache,
                 const Tensor& x, const MlaBuffers& b, const Tensor& out) {
  // Query: through a q_lora_rank bottleneck where the model has one. The two parts of each head are
  // views into q, [n_rows * num_attention_heads, 128 + 64]; only the positional part is rotated.
  if (config.q_lora_rank) {
    backend.matmul(x, w.q_a_proj, b.q_a);
    backend.rms_norm(b.q_a, w.q_a_layernorm, ModelConfig::kLoraNormEps, b.q_a);
    backend.matmul(b.q_a, w.q_b_proj, b.q);
  } else {
    backend.matmul(x, w.q_proj, b.q);
  }
  const Tensor q = b.q.as_rows_of(config.qk_head_dim());
  const Tensor q_nope = q.columns(0, config.qk_nope_head_dim);
  const Tensor q_pe = q.columns(config.qk_nope_head_dim, config.qk_rope_head_dim);
  backend.rope(rows, config.num_attention_heads, q_pe);

  // Key and value: one latent row per token, shared by all heads. This is all that is cached.
  backend.matmul(x, w.kv_a_proj_with_mqa, b.kv_a);
  backend.latent_append({.kv_a = b.kv_a,
                         .gain = &w.kv_a_layernorm,
                         .rows = &rows,
                         .latent_cache = latent_cache,
                         .kv_lora_rank = config.kv_lora_rank,
                         .rms_norm_eps = ModelConfig::kLoraNormEps});

  const Tensor context = b.context.as_rows_of(config.v_head_dim);
  if (form == MlaForm::kExpanded) {
    backend.mla_attention_expanded({.q = q,
                                    .k_b_proj = &w.k_b_proj,
                                    .v_b_proj = &w.v_b_proj,
                                    .rows = &rows,
                                    .latent_cache = latent_cache,
                                    .out = context,
                                    .softmax_scale = softmax_scale});
  } else {
    backend.per_head_matmul(q_nope, w.k_b_proj, b.q_latent);
    backend.mla_attention({.q_latent = b.q_latent,
                           .q_pe = q_pe,
                           .rows = &rows,
                           .latent_cache = latent_cache,
                           .out = b.context_latent,
                           .num_attention_heads = config.num_attention_heads,
                           .softmax_scale = softmax_scale});
    backend.per_head_matmul(b.context_latent, w.v_b_proj, context);
  }
  backend.matmul(b.context, w.o_proj, out);
}

}  // namespace hadal
