// The report prints the input of eh_proj as [state, embedding]. The released weights want the
// embedding first, and the state behind the trunk's final norm.
#include "lib/model/mtp.hpp"

#include "lib/model/transformer.hpp"

namespace hadal {
namespace {

// Files may leave out what the layer has in common with the trunk.
const Weight& own_or(const Weight& own, const Weight& trunks) {
  return own.is_present() ? own : trunks;
}

}  // namespace

void MtpPass::begin(const Tensor& hidden) {
  const Tensor embedding = eh_input_.columns(0, config_.hidden_size);
  const Tensor state = eh_input_.columns(config_.hidden_size, config_.hidden_size);
  backend_.rms_norm(hidden, weights_.hnorm, config_.rms_norm_eps, state);

  write_rows(backend_, config_, rope_, batch_, b_.rows);
  backend_.embed(b_.rows.token_id, own_or(weights_.embed_tokens, trunk_.embed_tokens), b_.x);
  backend_.rms_norm(b_.x, weights_.enorm, config_.rms_norm_eps, embedding);
  backend_.matmul(eh_input_, weights_.eh_proj, b_.x);
}

void MtpPass::run_layer() {
  const MlaForm form =
      backend_.may_expand_attention() ? cheaper_form(config_, batch_) : MlaForm::kAbsorbed;
  layer_forward(backend_, config_, weights_.layer, /*is_moe=*/true, form, rope_.softmax_scale(),
                cache_.layer(mtp_layer_, batch_.pages().data()), b_);
}

void MtpPass::finish() {
  if (batch_.wanted_rows().empty()) return;
  backend_.write(b_.wanted_rows, batch_.wanted_rows().data());
  backend_.gather_rows(b_.x, b_.wanted_rows, b_.last_hidden);
  backend_.rms_norm(b_.last_hidden, own_or(weights_.shared_head_norm, trunk_.norm),
                    config_.rms_norm_eps, b_.last_hidden);
  backend_.matmul(b_.last_hidden, own_or(weights_.shared_head, trunk_.lm_head), b_.logits);
}

}  // namespace hadal
