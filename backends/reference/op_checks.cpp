// See op_checks.hpp.
#include "backends/reference/op_checks.hpp"

#include "lib/tensor/block_encoders.hpp"

namespace hadal {
namespace {

void check_f32(const Tensor& x, int64_t rows, int64_t cols) {
  HADAL_CHECK(x.dtype == DType::kF32);
  HADAL_CHECK(x.rows == rows && x.cols == cols);
  HADAL_CHECK(x.data != nullptr || rows == 0);
}

// One id per row (or `cols` of them), each in [0, limit).
void check_ids(const Tensor& ids, int64_t rows, int64_t cols, int64_t limit) {
  HADAL_CHECK(ids.dtype == DType::kI32);
  HADAL_CHECK(ids.rows == rows && ids.cols == cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      const int32_t id = ids.row_i32(r)[c];
      HADAL_CHECK(id >= 0 && id < limit);
    }
  }
}

void check_vector(const Weight& w, int64_t size) {
  HADAL_CHECK(w.data != nullptr && !w.transposed);
  HADAL_CHECK(w.slices == 1 && w.rows == 1 && w.cols == size);
}

void check_matrix(const Weight& w, int64_t in, int64_t out) {
  HADAL_CHECK(w.is_present());
  HADAL_CHECK(w.in_features() == in && w.out_features() == out);
}

void check_cached_rows(const BatchRows& rows, const CacheLayer& latent_cache, int64_t n_rows) {
  const CacheRow& row = latent_cache.row;
  HADAL_CHECK(can_encode(row.latent) && row.kv_lora_rank % info(row.latent).block_elements == 0);
  HADAL_CHECK(can_encode(row.rope) && info(row.rope).block_elements == 1);
  HADAL_CHECK(latent_cache.pages != nullptr || n_rows == 0);
  HADAL_CHECK(rows.page_table.dtype == DType::kI32);
  check_ids(rows.session, n_rows, 1, rows.page_table.rows);
  check_ids(rows.position, n_rows, 1, rows.page_table.cols * kPageSize);
}

}  // namespace

void check_embed(const Tensor& token_id, const Weight& w, const Tensor& out) {
  check_matrix(w, out.cols, w.rows);
  HADAL_CHECK(w.slices == 1 && !w.transposed);
  check_f32(out, token_id.rows, w.cols);
  check_ids(token_id, out.rows, 1, w.rows);
}

void check_rms_norm(const Tensor& x, const Weight& gain, const Tensor& out) {
  check_f32(x, x.rows, x.cols);
  check_f32(out, x.rows, x.cols);
  check_vector(gain, x.cols);
}

void check_matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  HADAL_CHECK(w.slices == 1);
  check_matrix(w, x.cols, out.cols);
  check_f32(x, x.rows, x.cols);
  check_f32(out, x.rows, out.cols);
}

void check_rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) {
  HADAL_CHECK(n_heads > 0 && x.cols % 2 == 0);
  check_f32(rows.cos_sin, rows.cos_sin.rows, x.cols);
  check_f32(x, rows.cos_sin.rows * n_heads, x.cols);
}

void check_latent_append(const LatentAppendArgs& args) {
  const Tensor& kv_a = args.kv_a;
  HADAL_CHECK(args.gain != nullptr && args.rows != nullptr);
  HADAL_CHECK(args.kv_lora_rank > 0 && args.kv_lora_rank <= kv_a.cols);
  HADAL_CHECK((kv_a.cols - args.kv_lora_rank) % 2 == 0 && args.latent_cache.row.dim() == kv_a.cols);
  check_f32(kv_a, kv_a.rows, kv_a.cols);
  check_vector(*args.gain, args.kv_lora_rank);
  check_f32(args.rows->cos_sin, kv_a.rows, kv_a.cols - args.kv_lora_rank);
  check_cached_rows(*args.rows, args.latent_cache, kv_a.rows);
}

void check_per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  HADAL_CHECK(w.slices > 0 && x.rows % w.slices == 0);
  check_matrix(w, x.cols, out.cols);
  check_f32(x, x.rows, x.cols);
  check_f32(out, x.rows, out.cols);
}

void check_mla_attention(const MlaAttentionArgs& args) {
  HADAL_CHECK(args.rows != nullptr && args.num_attention_heads > 0);
  const int64_t n = args.q_latent.rows, rank = args.q_latent.cols;
  HADAL_CHECK(n % args.num_attention_heads == 0);
  HADAL_CHECK(args.latent_cache.row.kv_lora_rank == rank);
  HADAL_CHECK(args.latent_cache.row.qk_rope_head_dim == args.q_pe.cols);
  check_f32(args.q_latent, n, rank);
  check_f32(args.q_pe, n, args.q_pe.cols);
  check_f32(args.out, n, rank);
  check_cached_rows(*args.rows, args.latent_cache, n / args.num_attention_heads);
}

void check_mla_attention_expanded(const MlaExpandedArgs& args) {
  HADAL_CHECK(args.rows != nullptr && args.k_b_proj != nullptr && args.v_b_proj != nullptr);
  const int64_t n = args.q.rows, n_heads = args.n_heads(), rank = args.kv_lora_rank();
  HADAL_CHECK(n_heads > 0 && args.v_b_proj->slices == n_heads && n % n_heads == 0);
  const int64_t n_rope = args.latent_cache.row.qk_rope_head_dim;
  HADAL_CHECK(n_rope > 0 && args.latent_cache.row.kv_lora_rank == rank);
  check_matrix(*args.k_b_proj, args.qk_nope_head_dim(), rank);
  check_matrix(*args.v_b_proj, rank, args.out.cols);
  check_f32(args.q, n, args.qk_nope_head_dim() + n_rope);
  check_f32(args.out, n, args.out.cols);
  check_cached_rows(*args.rows, args.latent_cache, n / n_heads);
}

void check_moe_route(const MoeRouteArgs& args) {
  const int64_t n_rows = args.logits.rows, n_experts = args.logits.cols;
  check_f32(args.logits, n_rows, n_experts);
  HADAL_CHECK(args.expert_ids.cols > 0 && args.expert_ids.cols <= n_experts);
  HADAL_CHECK(args.expert_ids.dtype == DType::kI32 && args.expert_ids.rows == n_rows);
  check_f32(args.expert_weights, n_rows, args.expert_ids.cols);
  HADAL_CHECK(args.n_group > 0 && n_experts % args.n_group == 0);
  HADAL_CHECK(args.topk_group > 0 && args.topk_group <= args.n_group);
  if (args.e_score_correction_bias) check_vector(*args.e_score_correction_bias, n_experts);
}

void check_moe_ffn(const MoeFfnArgs& args) {
  const Tensor& x = args.x;
  HADAL_CHECK(args.gate_proj != nullptr && args.up_proj != nullptr && args.down_proj != nullptr);
  const int64_t inner = args.gate_proj->out_features();
  check_matrix(*args.gate_proj, x.cols, inner);
  check_matrix(*args.up_proj, x.cols, inner);
  check_matrix(*args.down_proj, inner, args.out.cols);
  HADAL_CHECK(args.up_proj->slices == args.gate_proj->slices);
  HADAL_CHECK(args.down_proj->slices == args.gate_proj->slices);
  check_f32(x, x.rows, x.cols);
  check_f32(args.out, x.rows, args.out.cols);
  check_f32(args.expert_weights, x.rows, args.expert_ids.cols);
  check_ids(args.expert_ids, x.rows, args.expert_ids.cols, args.gate_proj->slices);
}

void check_swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) {
  check_f32(gate, out.rows, out.cols);
  check_f32(up, out.rows, out.cols);
  check_f32(out, out.rows, out.cols);
}

void check_add(const Tensor& x, const Tensor& sum) {
  check_f32(x, sum.rows, sum.cols);
  check_f32(sum, sum.rows, sum.cols);
}

void check_gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) {
  check_f32(x, x.rows, x.cols);
  check_f32(out, out.rows, x.cols);
  check_ids(row_ids, out.rows, 1, x.rows);
}

}  // namespace hadal
