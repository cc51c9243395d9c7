// The weights of a model, by layer, under the names of the checkpoint; and how they get there: each
// tensor that the configuration implies is looked up, its shape checked, its bytes mapped or read,
// and handed to the backend.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/model/config.hpp"

namespace hadal {

struct MlaWeights {
  Weight q_a_proj, q_a_layernorm, q_b_proj;  // with a q_lora_rank
  Weight q_proj;                             // without
  Weight kv_a_proj_with_mqa;                 // [kv_lora_rank + qk_rope_head_dim, hidden_size]
  Weight kv_a_layernorm;                     // [kv_lora_rank]
  Weight k_b_proj;  // [num_attention_heads] of [kv_lora_rank, qk_nope_head_dim]: q into the latent
  Weight v_b_proj;  // [num_attention_heads] of [v_head_dim, kv_lora_rank]: back out of it
  Weight o_proj;    // [hidden_size, num_attention_heads * v_head_dim]
};

struct FfnWeights {
  Weight gate_proj, up_proj, down_proj;
};

struct MoeWeights {
  Weight gate;                     // [n_routed_experts, hidden_size], the router
  Weight e_score_correction_bias;  // [n_routed_experts], where the router has one
  FfnWeights experts;              // [n_routed_experts] each
  FfnWeights shared_experts;       // one FFN as wide as all of them; absent without
};

struct LayerWeights {
  Weight input_layernorm, post_attention_layernorm;
  MlaWeights self_attn;
  FfnWeights ffn;  // layers below first_k_dense_replace
  MoeWeights moe;  // the others
};

// The layer after the last that guesses the token after the next (mtp.hpp).
struct MtpWeights {
  Weight enorm, hnorm, eh_proj;
  LayerWeights layer;
  Weight embed_tokens, shared_head_norm, shared_head;  // absent: the trunk's serve
};

struct ModelWeights {
  Weight embed_tokens, norm, lm_head;
  std::vector<LayerWeights> layers;
  std::vector<MtpWeights> mtp;
};

// A file that was made to go beside its model: the MTP layer, and nothing of the layers before.
bool holds_mtp_alone(const Checkpoint& checkpoint, const ModelConfig& config);

// Loads the weights step by step, so that loading can pause and be cancelled.
class WeightLoader {
 public:
  // Finds and checks every tensor; reads nothing. E_FORMAT names the tensor, the shape wanted and
  // the shape found. `weights` must stay where it is until loading is done.
  static absl::StatusOr<WeightLoader> create(const Checkpoint& checkpoint,
                                             const ModelConfig& config, bool use_mmap,
                                             ModelWeights& weights);
  // The same of the MTP layers alone, out of a checkpoint that may hold nothing else.
  static absl::StatusOr<WeightLoader> create_mtp(const Checkpoint& checkpoint,
                                                 const ModelConfig& config, bool use_mmap,
                                                 ModelWeights& weights);

  bool done() const { return next_ == parts_.size(); }
  uint64_t bytes_done() const { return bytes_done_; }
  uint64_t bytes_total() const { return bytes_total_; }
  uint64_t bytes_read() const { return bytes_read_; }

  // What is kept as f32 besides the file: norms, biases, scales of blocks.
  uint64_t float_bytes() const { return float_bytes_; }

  // One piece of at most 16 MiB, or one mapped tensor.
  absl::Status step(Backend& backend, Memory& memory);

  // The bytes the weights lie in; keep them as long as the weights.
  std::vector<std::shared_ptr<const void>> take_storage() { return std::move(storage_); }

 private:
  // Part of the bytes of tensors seen as a stack of matrices; offsets count from a tensor's start.
  struct Target {
    Weight* weight;
    WeightSource source;  // data still null
    int64_t offset_bytes = 0;
  };
  // Tensors that make weights together: one, or one for each expert; and the scales of each.
  struct Group {
    std::vector<Target> targets;
    std::vector<const std::byte*> tensors;  // null until loaded
    Block scales;                           // n_scales floats for each tensor
    int64_t n_scales = 0;
    size_t n_missing = 0;  // tensors and their scales
  };
  enum class Kind {
    kMatrices,
    kVector,  // norms and biases: kept as f32, and checked to be finite
    kScales,  // the same, beside each other
  };
  struct Part {
    const TensorEntry* entry;
    Kind kind;
    size_t group;
    size_t place;  // in Group::tensors
  };
  friend class WeightPlan;
  static absl::StatusOr<WeightLoader> create_parts(const Checkpoint& checkpoint,
                                                   const ModelConfig& config, bool use_mmap,
                                                   bool with_trunk, ModelWeights& weights);

  // The bytes of a part have come, and stay.
  absl::Status take(Backend& backend, Memory& memory, const Part& part, const std::byte* data);
  absl::Status finish(Backend& backend, Group& group);
  absl::Status decode_finite(const TensorEntry& entry, const std::byte* data, float* to) const;

  const Checkpoint* checkpoint_ = nullptr;
  bool use_mmap_ = false;
  std::vector<Group> groups_;
  std::vector<Part> parts_;  // in the order of the files
  size_t next_ = 0;
  Block reading_;  // the tensor being read
  uint64_t read_so_far_ = 0;
  uint64_t bytes_done_ = 0, bytes_total_ = 0, bytes_read_ = 0, float_bytes_ = 0;
  std::vector<std::shared_ptr<const Mapping>> mappings_;  // by file
  std::vector<std::shared_ptr<const void>> storage_;
};

}  // namespace hadal
