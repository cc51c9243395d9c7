// x is the residual stream, [n_rows, hidden_size]; every block reads a normalised copy and adds to
// it.
#include "lib/model/transformer.hpp"

#include <vector>

#include "lib/model/ffn.hpp"
#include "lib/model/mla.hpp"
#include "lib/model/moe.hpp"

namespace hadal {

void ForwardPass::begin() {
  // All that goes in: ids, sessions, positions, and where each session's cache lies.
  backend_.write(b_.rows.token_id, batch_.token_id().data());
  backend_.write(b_.rows.session, batch_.session().data());
  backend_.write(b_.rows.position, batch_.position().data());
  backend_.write(b_.rows.page_table, batch_.page_table().data());
  std::vector<float> cos_sin(batch_.position().size() *
                             static_cast<size_t>(config_.qk_rope_head_dim));
  rope_.fill(batch_.position(), cos_sin.data());
  backend_.write(b_.rows.cos_sin, cos_sin.data());

  if (backend_.may_expand_attention()) mla_form_ = cheaper_form(config_, batch_);

  backend_.embed(b_.rows.token_id, weights_.embed_tokens, b_.x);
}

void ForwardPass::run_layer(int32_t i) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(i)];
  const CacheLayer latent_cache = cache_.layer(i, batch_.pages().data());

  backend_.rms_norm(b_.x, w.input_layernorm, config_.rms_norm_eps, b_.normed);
  mla_forward(backend_, config_, w.self_attn, mla_form_, rope_.softmax_scale(), b_.rows,
              latent_cache, b_.normed, b_.mla, b_.residual);
  backend_.add(b_.residual, b_.x);  // x += residual

  backend_.rms_norm(b_.x, w.post_attention_layernorm, config_.rms_norm_eps, b_.normed);
  if (config_.is_moe_layer(i)) {
    moe_forward(backend_, config_, w.moe, b_.normed, b_.moe, b_.residual);
  } else {
    ffn_forward(backend_, w.ffn, b_.normed, b_.ffn, b_.residual);
  }
  backend_.add(b_.residual, b_.x);
}

void ForwardPass::finish(int32_t first, int32_t n) {
  if (n == 0) return;
  const Tensor rows = b_.wanted_rows.first_rows(n), hidden = b_.last_hidden.first_rows(n);
  backend_.write(rows, batch_.wanted_rows().data() + first);
  backend_.gather_rows(b_.x, rows, hidden);  // few rows need logits
  backend_.rms_norm(hidden, weights_.norm, config_.rms_norm_eps, hidden);
  backend_.matmul(hidden, weights_.lm_head, b_.logits.first_rows(n));
}

}  // namespace hadal
