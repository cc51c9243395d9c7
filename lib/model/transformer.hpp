// One pass of a batch through the trunk, a layer at a time; and the steps of it that the MTP layer
// takes too.
#pragma once

#include <cstdint>

#include "lib/model/batch.hpp"
#include "lib/model/buffers.hpp"
#include "lib/model/config.hpp"
#include "lib/model/mla.hpp"
#include "lib/model/rope.hpp"
#include "lib/model/weights.hpp"

namespace hadal {

// All that goes into a pass: ids, sessions, positions, and where each session's cache lies.
void write_rows(Backend& backend, const ModelConfig& config, const Rope& rope, const Batch& batch,
                const BatchRows& rows);
// One layer on the residual stream b.x.
void layer_forward(Backend& backend, const ModelConfig& config, const LayerWeights& w, bool is_moe,
                   MlaForm mla_form, float softmax_scale, const CacheLayer& latent_cache,
                   const PassBuffers& b);

// Between any two calls the caller may pause for as long as it likes, or drop the pass: all it
// knows is in its Batch and Buffers, and no session grows before the caller says so.
class ForwardPass {
 public:
  ForwardPass(Backend& backend, const ModelConfig& config, const ModelWeights& weights,
              const Rope& rope, const LatentCache& cache, Batch batch, const PassBuffers& buffers)
      : backend_(backend),
        config_(config),
        weights_(weights),
        rope_(rope),
        cache_(cache),
        batch_(std::move(batch)),
        b_(buffers) {}

  void begin();               // embedding
  void run_layer(int32_t i);  // 0 to num_hidden_layers - 1, in order
  void finish();              // norm and logits of the wanted rows
  // After the last layer: the states of all rows behind the final norm, which the MTP layer reads,
  // [n_rows, hidden_size]. Lies in buffers().normed, until these are used again.
  Tensor hidden();

  Batch& batch() { return batch_; }
  const PassBuffers& buffers() const { return b_; }  // logits: [n_wanted, vocab_size]

 private:
  Backend& backend_;
  const ModelConfig& config_;
  const ModelWeights& weights_;
  const Rope& rope_;
  const LatentCache cache_;  // of all sessions in the batch
  Batch batch_;
  PassBuffers b_;
  MlaForm mla_form_ = MlaForm::kAbsorbed;
};

}  // namespace hadal
