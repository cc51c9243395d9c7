// The shape of one checkpoint of the DeepSeek-V3 family.
//
// Fields carry the names of the config.json that ships beside the weights, so a number found in a
// paper, in a checkpoint and in this code has one name. Values in comments: the 671B model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backends/backend.hpp"  // ScoringFunc, TopkMethod
#include "lib/base/status.hpp"
#include "lib/checkpoint/checkpoint.hpp"

namespace hadal {

struct YarnScaling {
  double factor = 40.0, beta_fast = 32.0, beta_slow = 1.0;
  double mscale = 1.0, mscale_all_dim = 1.0;
  int32_t original_max_position_embeddings = 4096;
};

struct ModelConfig {
  int32_t vocab_size = 0;                // 129280
  int32_t hidden_size = 0;               // 7168, width of the residual stream
  int32_t num_hidden_layers = 0;         // 61, without the MTP layer
  int32_t num_nextn_predict_layers = 0;  // 1, or 0: most GGUF files leave the MTP layer out
  int32_t first_k_dense_replace = 0;     // 3, leading layers whose FFN is dense
  int32_t intermediate_size = 0;         // 18432, dense FFN
  int32_t max_position_embeddings = 0;   // 163840
  float rms_norm_eps = 1e-6f;
  bool tie_word_embeddings = false;
  int32_t weight_block_rows = 128, weight_block_cols = 128;  // of weights in fp8

  // Multi-head latent attention
  int32_t num_attention_heads = 0;       // 128
  std::optional<int32_t> q_lora_rank{};  // 1536; absent where a single q_proj makes the queries
  int32_t kv_lora_rank = 0;              // 512, compressed key/value part of a cache row
  int32_t qk_rope_head_dim = 0;          // 64, rotary part of a cache row, shared by all heads
  int32_t qk_nope_head_dim = 0;          // 128
  int32_t v_head_dim = 0;                // 128
  double rope_theta = 10000.0;
  std::optional<YarnScaling> rope_scaling{};  // absent: rotary positions as they are

  // Mixture of experts; all zero in a model without
  int32_t n_routed_experts = 0;                      // 256
  int32_t num_experts_per_tok = 0;                   // 8
  int32_t n_shared_experts = 0;                      // 1
  int32_t moe_intermediate_size = 0;                 // 2048
  ScoringFunc scoring_func = ScoringFunc::kSoftmax;  // kSigmoid
  TopkMethod topk_method = TopkMethod::kGreedy;      // kNoauxTc
  int32_t n_group = 1;                               // 8 groups of 32 experts; 1 means no groups
  int32_t topk_group = 1;                            // 4 groups a token may draw from
  bool norm_topk_prob = false;                       // true
  float routed_scaling_factor = 1.0f;                // 2.5

  int32_t qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }  // 192
  int32_t latent_dim() const { return kv_lora_rank + qk_rope_head_dim; }       // 576
  int32_t shared_intermediate_size() const { return n_shared_experts * moe_intermediate_size; }
  bool is_moe_layer(int32_t layer) const { return layer >= first_k_dense_replace; }

  // The norms inside attention (q_a_layernorm, kv_a_layernorm) keep their class's default of 1e-6
  // in the released code, whatever rms_norm_eps says; Moonlight says 1e-5.
  static constexpr float kLoraNormEps = 1e-6f;
};

// Reads the configuration and checks that its parts agree with each other. An error names the file,
// the key as that file spells it, what was found there and what was wanted.
absl::StatusOr<ModelConfig> read_config(const Checkpoint& checkpoint);

// As JSON, with the names of config.json.
std::string config_json(const ModelConfig& config);

}  // namespace hadal
