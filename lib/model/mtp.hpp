// Multi-token prediction (section 2.2 of the V3 report): one layer behind the trunk that guesses
// the token after the next, from the trunk's state of a token and from the token that follows it.
#pragma once

#include "lib/model/batch.hpp"
#include "lib/model/buffers.hpp"
#include "lib/model/config.hpp"
#include "lib/model/mla.hpp"
#include "lib/model/rope.hpp"
#include "lib/model/weights.hpp"

namespace hadal {

// A pass of a batch through an MTP layer. Row r of the batch stands for position i of a session and
// carries the token at i + 1; its logits are of the token at i + 2. The layer attends to cache rows
// of its own, one for every position: a prompt goes through it as it goes through the trunk, the
// last row with the token just chosen.
class MtpPass {
 public:
  // cache: made by Model::mtp_cache(), which the batch's pages are of. The buffers may be those of
  // the pass that made the states. eh_input: f32 [n_rows, 2 * hidden_size] to work in.
  MtpPass(Backend& backend, const ModelConfig& config, const ModelWeights& weights,
          int32_t mtp_layer, const Rope& rope, const LatentCache& cache, Batch batch,
          const PassBuffers& buffers, const Tensor& eh_input)
      : backend_(backend),
        config_(config),
        trunk_(weights),
        weights_(weights.mtp[static_cast<size_t>(mtp_layer)]),
        mtp_layer_(mtp_layer),
        rope_(rope),
        cache_(cache),
        batch_(std::move(batch)),
        b_(buffers),
        eh_input_(eh_input) {}

  // hidden [n_rows, hidden_size]: ForwardPass::hidden(), or, for a guess that goes on from a guess,
  // last_hidden of the pass before. Read before anything in the buffers is written.
  void begin(const Tensor& hidden);
  void run_layer();
  void finish();  // norm and logits of the wanted rows

  const PassBuffers& buffers() const { return b_; }  // logits: [n_wanted, vocab_size]

 private:
  Backend& backend_;
  const ModelConfig& config_;
  const ModelWeights& trunk_;
  const MtpWeights& weights_;
  const int32_t mtp_layer_;
  const Rope& rope_;
  const LatentCache cache_;
  Batch batch_;
  PassBuffers b_;
  Tensor eh_input_;
};

}  // namespace hadal
