// x is the residual stream, [n_rows, hidden_size]; every block reads a normalised copy and adds to
// it.
#include "lib/model/transformer.hpp"

#include <vector>

#include "lib/model/ffn.hpp"
#include "lib/model/mla.hpp"
#include "lib/model/moe.hpp"

namespace hadal {

void write_rows(Backend& backend, const ModelConfig& config, const Rope& rope, const Batch& batch,
                const BatchRows& rows) {
  backend.write(rows.token_id, batch.token_id().data());
  backend.write(rows.session, batch.session().data());
  backend.write(rows.position, batch.position().data());
  backend.write(rows.page_table, batch.page_table().data());
  std::vector<float> cos_sin(batch.position().size() *
                             static_cast<size_t>(config.qk_rope_head_dim));
  rope.fill(batch.position(), cos_sin.data());
  backend.write(rows.cos_sin, cos_sin.data());
}

void layer_forward(Backend& backend, const ModelConfig& config, const LayerWeights& w, bool is_moe,
                   MlaForm mla_form, float softmax_scale, const CacheLayer& latent_cache,
                   const PassBuffers& b) {
  backend.rms_norm(b.x, w.input_layernorm, config.rms_norm_eps, b.normed);
  mla_forward(backend, config, w.self_attn, mla_form, softmax_scale, b.rows, latent_cache, b.normed,
              b.mla, b.residual);
  backend.add(b.residual, b.x);  // x += residual

  backend.rms_norm(b.x, w.post_attention_layernorm, config.rms_norm_eps, b.normed);
  if (is_moe) {
    moe_forward(backend, config, w.moe, b.normed, b.moe, b.residual);
  } else {
    ffn_forward(backend, w.ffn, b.normed, b.ffn, b.residual);
  }
  backend.add(b.residual, b.x);
}

void ForwardPass::begin() {
  write_rows(backend_, config_, rope_, batch_, b_.rows);
  if (backend_.may_expand_attention()) mla_form_ = cheaper_form(config_, batch_);
  backend_.embed(b_.rows.token_id, weights_.embed_tokens, b_.x);
}

void ForwardPass::run_layer(int32_t i) {
  layer_forward(backend_, config_, weights_.layers[static_cast<size_t>(i)], config_.is_moe_layer(i),
                mla_form_, rope_.softmax_scale(), cache_.layer(i, batch_.pages().data()), b_);
}

void ForwardPass::finish() {
  if (batch_.wanted_rows().empty()) return;
  backend_.write(b_.wanted_rows, batch_.wanted_rows().data());
  backend_.gather_rows(b_.x, b_.wanted_rows, b_.last_hidden);  // few rows need logits
  backend_.rms_norm(b_.last_hidden, weights_.norm, config_.rms_norm_eps, b_.last_hidden);
  backend_.matmul(b_.last_hidden, weights_.lm_head, b_.logits);
}

Tensor ForwardPass::hidden() {
  backend_.rms_norm(b_.x, weights_.norm, config_.rms_norm_eps, b_.normed);
  return b_.normed;
}

}  // namespace hadal
