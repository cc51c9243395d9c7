// What the model asks of the hardware.
//
// The interface is as wide as the model needs and no wider: each call is a whole step of a
// transformer layer, so a virtual call costs nothing next to its work, and a backend is free to
// fuse inside a step. Weights live in whatever layout upload() chose; the model only passes them
// back. Calls on one Backend are queued in order. The first failure sticks: what follows is
// skipped, and wait(), the only call that blocks, reports and clears it. So the model reads as
// prose, without a check on every line.
//
// Matrices of weights are [out, in], and a product means out = x . w^T. Activations are f32, one
// row per token. Every row of a result depends on that row of the input alone. Under
// BackendOptions::batch_invariant it is summed in an order that the shape of the weight decides, so
// it has the same bits in whatever batch it comes; else it may be summed in another order where it
// is alone or among few, or where attention is expanded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "lib/base/memory.hpp"
#include "lib/base/status.hpp"
#include "lib/tensor/tensor.hpp"

namespace hadal {

// The scales of a weight in fp8: every block of block_rows by block_cols elements of a tensor has
// one, and an element is its code times the scale of its block. Blocks count from the first element
// of the tensor; those at its edges may be smaller.
struct BlockScales {
  const float* data = nullptr;  // null: none
  int64_t block_rows = 0;
  int64_t block_cols = 0;
  int64_t row_stride = 0;      // from a row of blocks to the next
  int64_t slice_stride = 0;    // where every slice is a tensor: from its scales to the next one's
  int64_t first_row = 0;       // where slices are cut out of one tensor: row r of slice s is its
  int64_t rows_per_slice = 0;  // row first_row + s * rows_per_slice + r

  // One for every block_cols elements of a row.
  const float* row(int64_t slice, int64_t r) const {
    return data + slice * slice_stride + row_of_tensor(slice, r) / block_rows * row_stride;
  }
  // Rows from r on that have the same scales.
  int64_t rows_left(int64_t slice, int64_t r) const {
    return block_rows - row_of_tensor(slice, r) % block_rows;
  }
  // Multiplies n elements of a row, from column `first` on, with their scales.
  void apply(int64_t slice, int64_t r, int64_t first, int64_t n, float* x) const {
    const float* scales = row(slice, r);
    for (int64_t i = 0; i < n;) {
      const int64_t block = (first + i) / block_cols;
      const int64_t end =
          (block + 1) * block_cols - first < n ? (block + 1) * block_cols - first : n;
      for (const float scale = scales[block]; i < end; ++i) x[i] *= scale;
    }
  }

 private:
  int64_t row_of_tensor(int64_t slice, int64_t r) const {
    return first_row + slice * rows_per_slice + r;
  }
};

// A stack of weight matrices (one, or one per head or expert) as a file holds them.
struct WeightSource {
  DType dtype = DType::kF32;
  int64_t slices = 1;               // heads or experts
  int64_t rows = 0;                 // rows stored per slice
  int64_t cols = 0;                 // elements of a stored row
  const std::byte* data = nullptr;  // first row of the first slice; outlives the backend's Weight
  int64_t row_stride_bytes = 0;
  int64_t slice_stride_bytes = 0;
  bool transposed = false;  // the rows stored are [in, out]: k_b_proj inside a joint kv_b_proj
  // Where slices lie anywhere, as experts do that are tensors of their own: the first row of each.
  // slice_stride_bytes then means nothing; the table outlives the backend's Weight.
  const std::byte* const* slice_data = nullptr;
  BlockScales scales{};  // of f8_e4m3 only
  bool decides = false;  // as a router does: a choice must not turn on how its inputs were rounded

  const std::byte* row(int64_t slice, int64_t r) const {
    const std::byte* first =
        slice_data != nullptr ? slice_data[slice] : data + slice * slice_stride_bytes;
    return first + r * row_stride_bytes;
  }
};

// The same, as the backend holds it. Only the backend that made it may look inside.
struct Weight : WeightSource {
  std::shared_ptr<const void> packed;  // what the backend keeps besides the source, if anything

  int64_t out_features() const { return transposed ? cols : rows; }
  int64_t in_features() const { return transposed ? rows : cols; }
  bool is_present() const { return data != nullptr || packed != nullptr; }
};

// Memory of the backend with a view of it.
struct Buffer {
  Tensor tensor;
  std::shared_ptr<void> memory;
};

// The rows of a batch: one token each, of one or several sessions. Rows of one session are
// neighbours, in order of position.
inline constexpr int32_t kPageSize = 64;
struct BatchRows {
  Tensor token_id;    // i32 [n_rows, 1]
  Tensor session;     // i32 [n_rows, 1], which line of page_table
  Tensor position;    // i32 [n_rows, 1], place in that session
  Tensor page_table;  // i32 [n_sessions, max_pages]
  Tensor cos_sin;     // f32 [n_rows, qk_rope_head_dim]: cos and sin of each pair, for its position
  int64_t n_rows() const { return token_id.rows; }
};

// What the latent cache keeps of a token in a layer, [c_kv | k_pe]: kv_lora_rank latents, of a
// plain type or in blocks, and qk_rope_head_dim rotated values of the key, always plain.
struct CacheRow {
  int64_t kv_lora_rank = 0;
  int64_t qk_rope_head_dim = 0;
  DType latent = DType::kF32;
  DType rope = DType::kF32;

  int64_t dim() const { return kv_lora_rank + qk_rope_head_dim; }
  int64_t latent_bytes() const { return row_bytes(latent, kv_lora_rank); }
  int64_t size_bytes() const { return latent_bytes() + row_bytes(rope, qk_rope_head_dim); }
  bool is_f32() const { return latent == DType::kF32 && rope == DType::kF32; }
};

// One layer of the latent cache. Position p of session s lies in page page_table[s][p / kPageSize],
// row p % kPageSize of it.
struct CacheLayer {
  std::byte* const* pages = nullptr;  // [n_pages], in the backend's memory
  int64_t offset_bytes = 0;           // of this layer inside a page
  CacheRow row;

  // The row of position p, given its session's line of the page table.
  std::byte* row_at(const int32_t* page_table_line, int64_t p) const {
    return pages[page_table_line[p / kPageSize]] + offset_bytes + p % kPageSize * row.size_bytes();
  }
};

// Attention over the latent cache, in the absorbed form:
//   scores = (q_latent . c_kv + q_pe . k_pe) * softmax_scale,  out = softmax(scores) . c_kv
// A row sees positions 0 to its own, of its own session.
struct MlaAttentionArgs {
  Tensor q_latent;  // [n_rows * num_attention_heads, kv_lora_rank]
  Tensor q_pe;      // [n_rows * num_attention_heads, qk_rope_head_dim], rotated
  const BatchRows* rows = nullptr;
  CacheLayer latent_cache;
  Tensor out;  // [n_rows * num_attention_heads, kv_lora_rank]
  int32_t num_attention_heads = 0;
  float softmax_scale = 0.0f;
};

// The same attention with keys and values of every head expanded from the cached latents:
//   k = [k_b(c_kv) | k_pe],  v = v_b(c_kv),  out = softmax(q . k * softmax_scale) . v
// Each position costs two products with the matrices of all heads, each pair of a row and a
// position a third of what it costs in latent space: cheaper for many rows of one session.
struct MlaExpandedArgs {
  Tensor q;  // [n_rows * num_attention_heads, qk_nope_head_dim + qk_rope_head_dim], rotated
  const Weight* k_b_proj = nullptr;  // [heads] of qk_nope_head_dim in, kv_lora_rank out
  const Weight* v_b_proj = nullptr;  // [heads] of kv_lora_rank in, v_head_dim out
  const BatchRows* rows = nullptr;
  CacheLayer latent_cache;
  Tensor out;  // [n_rows * num_attention_heads, v_head_dim]
  float softmax_scale = 0.0f;

  int64_t n_heads() const { return k_b_proj->slices; }
  int64_t qk_nope_head_dim() const { return k_b_proj->in_features(); }
  int64_t kv_lora_rank() const { return k_b_proj->out_features(); }
};

// Writes the cache row of every batch row, for one layer:
//   c_kv = rms_norm(kv_a[:, :kv_lora_rank]) * gain,  k_pe = rotate(kv_a[:, kv_lora_rank:])
struct LatentAppendArgs {
  Tensor kv_a;                   // [n_rows, kv_lora_rank + qk_rope_head_dim]
  const Weight* gain = nullptr;  // [kv_lora_rank]
  const BatchRows* rows = nullptr;
  CacheLayer latent_cache;
  int32_t kv_lora_rank = 0;
  float rms_norm_eps = 0.0f;
};

enum class ScoringFunc { kSoftmax, kSigmoid };
enum class TopkMethod {
  kGreedy,              // the best of all experts
  kGroupLimitedGreedy,  // the best of the best groups; a group is as good as its best expert
  kNoauxTc,             // chosen with a correction bias; a group is as good as its two best experts
};

// Chooses num_experts_per_tok experts for every row. Two numbers per expert: its score says how
// much it counts, its choice (score plus correction bias, where there is one) whether it is picked.
struct MoeRouteArgs {
  Tensor logits;                                    // [n_rows, n_routed_experts]
  const Weight* e_score_correction_bias = nullptr;  // f32 [n_routed_experts], or null
  Tensor expert_ids;  // i32 [n_rows, num_experts_per_tok], by falling choice, ties to the lower id
  Tensor expert_weights;  // f32 [n_rows, num_experts_per_tok], normalised and scaled
  int32_t n_group = 1;
  int32_t topk_group = 1;
  ScoringFunc scoring_func = ScoringFunc::kSoftmax;
  TopkMethod topk_method = TopkMethod::kGreedy;
  bool norm_topk_prob = false;
  float routed_scaling_factor = 1.0f;
};

// out[r] = sum over the chosen experts e of weight * down_e(silu(gate_e(x)) * up_e(x))
struct MoeFfnArgs {
  Tensor x;                           // [n_rows, hidden_size]
  Tensor expert_ids;                  // i32 [n_rows, num_experts_per_tok]
  Tensor expert_weights;              // f32 [n_rows, num_experts_per_tok]
  const Weight* gate_proj = nullptr;  // [n_routed_experts] of [moe_intermediate_size, hidden_size]
  const Weight* up_proj = nullptr;
  const Weight* down_proj = nullptr;  // [n_routed_experts] of [hidden_size, moe_intermediate_size]
  Tensor out;                         // [n_rows, hidden_size], overwritten
  // For who wants to see it: what goes into down_proj, row by row and choice by choice. Without
  // memory nobody does. f32 [n_rows * num_experts_per_tok, moe_intermediate_size], back to back
  Tensor inner{};
};

// The widest pass that a backend will be asked for, as far as its own memory depends on it.
struct PassShape {
  int64_t max_rows = 0;
  int64_t hidden_size = 0;
  int64_t max_in_features = 0;  // of a product that is not per head
  int64_t num_experts_per_tok = 0;
  int64_t moe_intermediate_size = 0;
  int64_t num_attention_heads = 0;
  int64_t latent_dim = 0;  // of a row of the latent cache
  int64_t qk_head_dim = 0;
  int64_t v_head_dim = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;         // "cpu", "reference"
  virtual std::string description() const = 0;  // for people: "cpu, avx512, 8 threads"

  // Most memory that the ops allocate for themselves in such passes (MemoryTag::kScratch).
  virtual uint64_t scratch_bytes(const PassShape& shape) const = 0;
  // Takes a weight over. The bytes of the source stay where they are and are used in place where
  // the backend can.
  virtual absl::StatusOr<Weight> upload(const WeightSource& source) = 0;
  virtual absl::StatusOr<Buffer> allocate(DType dtype, int64_t rows, int64_t cols,
                                          MemoryTag tag) = 0;
  // Between the host and the backend's memory; `size_bytes` of back-to-back rows.
  virtual void write(const Tensor& to, const void* from) = 0;
  virtual absl::Status read(const Tensor& from, void* to) = 0;  // waits

  // out[r] = row token_id[r] of w; out [n_rows, hidden_size]
  virtual void embed(const Tensor& token_id, const Weight& w, const Tensor& out) = 0;
  // out = x / sqrt(mean(x^2) + eps) * gain, row by row; out may be x
  virtual void rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) = 0;
  // out = x . w^T; x [n_rows, in], w one slice, out [n_rows, out]
  virtual void matmul(const Tensor& x, const Weight& w, const Tensor& out) = 0;
  // Rotates neighbouring pairs (0, 1), (2, 3), ... in place; x [n_rows * n_heads, qk_rope_head_dim]
  virtual void rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) = 0;
  virtual void latent_append(const LatentAppendArgs& args) = 0;
  // Head h of every row times slice h of w; x [n_rows * slices, in], out [n_rows * slices, out]
  virtual void per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) = 0;
  virtual void mla_attention(const MlaAttentionArgs& args) = 0;
  virtual void mla_attention_expanded(const MlaExpandedArgs& args) = 0;
  // Whether to use the latter where it is cheaper. It sums in another order, so that the last bits
  // of a row then depend on the rows beside it.
  virtual bool may_expand_attention() const = 0;
  // What latents are rounded to where nobody says: f32 unless other inputs of products are rounded
  // as well.
  virtual DType usual_cache_type() const = 0;
  virtual void moe_route(const MoeRouteArgs& args) = 0;
  virtual void moe_ffn(const MoeFfnArgs& args) = 0;
  // out = silu(gate) * up, element by element; out may be gate
  virtual void swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) = 0;
  virtual void add(const Tensor& x, const Tensor& sum) = 0;  // sum += x
  // out[i] = x[row_ids[i]]
  virtual void gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) = 0;

  virtual absl::Status wait() = 0;
};

}  // namespace hadal
