// Every activation of a pass, allocated once for the widest chunk of rows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "lib/model/config.hpp"

namespace hadal {

struct MlaBuffers {
  Tensor q_a;             // [n_rows, q_lora_rank]
  Tensor q;               // [n_rows, num_attention_heads * qk_head_dim]
  Tensor kv_a;            // [n_rows, kv_lora_rank + qk_rope_head_dim]
  Tensor q_latent;        // [n_rows * num_attention_heads, kv_lora_rank], q_nope in latent space
  Tensor context_latent;  // [n_rows * num_attention_heads, kv_lora_rank]
  Tensor context;         // [n_rows, num_attention_heads * v_head_dim]
};

struct FfnBuffers {
  Tensor gate;  // [n_rows, intermediate]: of the dense layers or the shared experts
  Tensor up;    // the same
};

struct MoeBuffers {
  Tensor logits;          // [n_rows, n_routed_experts]
  Tensor expert_ids;      // i32 [n_rows, num_experts_per_tok]
  Tensor expert_weights;  // [n_rows, num_experts_per_tok]
  FfnBuffers shared;
  Tensor shared_out;  // [n_rows, hidden_size]
};

// Views for a pass of a given number of rows.
struct PassBuffers {
  BatchRows rows;
  Tensor x;         // [n_rows, hidden_size], the residual stream
  Tensor normed;    // [n_rows, hidden_size]
  Tensor residual;  // [n_rows, hidden_size], what a block adds to x
  MlaBuffers mla;
  FfnBuffers ffn;
  MoeBuffers moe;
  Tensor wanted_rows;  // i32 [n_wanted, 1]
  Tensor last_hidden;  // [n_wanted, hidden_size]
  Tensor logits;       // [n_wanted, vocab_size]
};

class Buffers {
 public:
  // max_wanted: most rows of one pass that need logits. E_BUDGET, E_NO_MEMORY.
  static absl::StatusOr<Buffers> create(Backend& backend, const ModelConfig& config,
                                        int32_t max_rows, int32_t max_wanted);
  // The views for n_rows rows of n_sessions sessions with page lists of at most max_pages. The page
  // table grows when it must.
  absl::StatusOr<PassBuffers> views(int32_t n_rows, int32_t n_wanted, int32_t n_sessions,
                                    int32_t max_pages);

  int32_t max_rows() const { return max_rows_; }
  int32_t max_wanted() const { return max_wanted_; }
  // What create() would take, in bytes.
  static int64_t size_bytes(const ModelConfig& config, int32_t max_rows, int32_t max_wanted);
  // Rows of a chunk that keep the activations of the largest models below about 128 MiB.
  static int32_t default_rows(const ModelConfig& config);

 private:
  Buffers(Backend& backend, const ModelConfig& config) : backend_(&backend), config_(config) {}

  Backend* backend_;
  ModelConfig config_;
  int32_t max_rows_ = 0;
  int32_t max_wanted_ = 0;
  PassBuffers all_;  // at full width
  Buffer page_table_;
  std::vector<std::shared_ptr<void>> memory_;
};

}  // namespace hadal
