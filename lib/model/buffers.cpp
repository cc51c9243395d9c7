#include "lib/model/buffers.hpp"

#include <algorithm>

namespace hadal {
namespace {

// One line per activation: where its view goes, its type and its shape. Both the allocation and the
// sum of bytes read it, so they cannot disagree.
template <class Visit>
void for_each_activation(PassBuffers& b, const ModelConfig& c, int32_t rows, int32_t wanted,
                         Visit&& visit) {
  const int64_t n = rows, heads = c.num_attention_heads;
  visit(b.rows.token_id, DType::kI32, n, 1);
  visit(b.rows.session, DType::kI32, n, 1);
  visit(b.rows.position, DType::kI32, n, 1);
  visit(b.rows.cos_sin, DType::kF32, n, c.qk_rope_head_dim);
  visit(b.x, DType::kF32, n, c.hidden_size);
  visit(b.normed, DType::kF32, n, c.hidden_size);
  visit(b.residual, DType::kF32, n, c.hidden_size);
  if (c.q_lora_rank) visit(b.mla.q_a, DType::kF32, n, *c.q_lora_rank);
  visit(b.mla.q, DType::kF32, n, heads * c.qk_head_dim());
  visit(b.mla.kv_a, DType::kF32, n, c.latent_dim());
  visit(b.mla.q_latent, DType::kF32, n * heads, c.kv_lora_rank);
  visit(b.mla.context_latent, DType::kF32, n * heads, c.kv_lora_rank);
  visit(b.mla.context, DType::kF32, n, heads * c.v_head_dim);
  if (c.first_k_dense_replace > 0) {
    visit(b.ffn.gate, DType::kF32, n, c.intermediate_size);
    visit(b.ffn.up, DType::kF32, n, c.intermediate_size);
  }
  if (c.n_routed_experts > 0) {
    visit(b.moe.logits, DType::kF32, n, c.n_routed_experts);
    visit(b.moe.expert_ids, DType::kI32, n, c.num_experts_per_tok);
    visit(b.moe.expert_weights, DType::kF32, n, c.num_experts_per_tok);
  }
  if (c.n_shared_experts > 0) {
    visit(b.moe.shared.gate, DType::kF32, n, c.shared_intermediate_size());
    visit(b.moe.shared.up, DType::kF32, n, c.shared_intermediate_size());
    visit(b.moe.shared_out, DType::kF32, n, c.hidden_size);
  }
  visit(b.wanted_rows, DType::kI32, wanted, 1);
  visit(b.last_hidden, DType::kF32, wanted, c.hidden_size);
  visit(b.logits, DType::kF32, wanted, c.vocab_size);
}

}  // namespace

int64_t Buffers::size_bytes(const ModelConfig& config, int32_t max_rows, int32_t max_wanted) {
  PassBuffers b;
  int64_t sum = 0;
  for_each_activation(b, config, max_rows, max_wanted,
                      [&](Tensor&, DType, int64_t rows, int64_t cols) { sum += rows * cols * 4; });
  return sum;
}

int32_t Buffers::default_rows(const ModelConfig& config) {
  constexpr int64_t kWanted = int64_t{512} << 20;
  const int64_t per_row = size_bytes(config, 1, 0);
  return static_cast<int32_t>(std::clamp<int64_t>(kWanted / per_row / 16 * 16, 16, 512));
}

absl::StatusOr<Buffers> Buffers::create(Backend& backend, const ModelConfig& config,
                                        int32_t max_rows, int32_t max_wanted) {
  Buffers buffers(backend, config);
  buffers.max_rows_ = max_rows;
  buffers.max_wanted_ = max_wanted;
  absl::Status status;
  for_each_activation(buffers.all_, config, max_rows, max_wanted,
                      [&](Tensor& view, DType dtype, int64_t rows, int64_t cols) {
                        if (!status.ok()) return;
                        auto made = backend.allocate(dtype, rows, cols, MemoryTag::kScratch);
                        if (!made.ok()) {
                          status = std::move(made).status();
                          return;
                        }
                        view = made->tensor;
                        buffers.memory_.push_back(std::move(made->memory));
                      });
  HADAL_RETURN_IF_ERROR(status);
  return buffers;
}

absl::StatusOr<PassBuffers> Buffers::views(int32_t n_rows, int32_t n_wanted, int32_t n_sessions,
                                           int32_t max_pages) {
  HADAL_CHECK(n_rows <= max_rows_ && n_wanted <= max_wanted_);
  const int64_t entries = int64_t{n_sessions} * max_pages;
  if (page_table_.tensor.rows < entries) {
    HADAL_ASSIGN_OR_RETURN(page_table_, backend_->allocate(DType::kI32, entries + entries / 2, 1,
                                                           MemoryTag::kScratch));
  }

  PassBuffers b = all_;
  const auto cut = [](Tensor& t, int64_t rows) { t.rows = std::min(t.rows, rows); };
  for_each_activation(b, config_, n_rows, n_wanted,
                      [&](Tensor& view, DType, int64_t rows, int64_t) { cut(view, rows); });
  b.rows.page_table = page_table_.tensor;
  b.rows.page_table.rows = n_sessions;
  b.rows.page_table.cols = b.rows.page_table.row_stride = max_pages;
  return b;
}

}  // namespace hadal
