// The steps of backend.hpp that the cpu backend has something better for than the reference, one
// file each. Arguments have passed backends/reference/op_checks.hpp.
#pragma once

#include "backends/backend.hpp"
#include "backends/cpu/workers.hpp"

namespace hadal::cpu {

void embed(Workers& workers, const Tensor& token_id, const Weight& w, const Tensor& out);
void rms_norm(Workers& workers, const Tensor& x, const Weight& gain, float eps, const Tensor& out);
void rope(Workers& workers, const BatchRows& rows, int32_t n_heads, const Tensor& x);
// Bytes of scratch for so many rows of so many columns, aligned to 64; and the op with them.
size_t matmul_scratch(const Workers& workers, DType dtype, int64_t n_rows, int64_t n_cols);
void matmul(Workers& workers, const Tensor& x, const Weight& w, const Tensor& out,
            std::byte* scratch);
void per_head_matmul(Workers& workers, const Tensor& x, const Weight& w, const Tensor& out);
size_t mla_attention_scratch(const Workers& workers, int64_t n_rows, int64_t n_heads,
                             int64_t latent_dim);
void mla_attention(Workers& workers, const MlaAttentionArgs& args, std::byte* scratch);
size_t mla_attention_expanded_scratch(const Workers& workers, int64_t n_rows, int64_t latent_dim,
                                      int64_t qk_head_dim, int64_t v_head_dim);
void mla_attention_expanded(Workers& workers, const MlaExpandedArgs& args, std::byte* scratch);
void moe_route(Workers& workers, const MoeRouteArgs& args);
void swiglu(Workers& workers, const Tensor& gate, const Tensor& up, const Tensor& out);
void add(Workers& workers, const Tensor& x, const Tensor& sum);

// The same for so many rows with so many choices in all (rows times experts of each).
size_t moe_ffn_scratch(const Workers& workers, int64_t n_rows, int64_t n_choices,
                       int64_t hidden_size, int64_t inner_size);
void moe_ffn(Workers& workers, const MoeFfnArgs& args, std::byte* scratch);

// Rows first to first + n.
inline Tensor rows_of(const Tensor& x, int64_t first, int64_t n) {
  Tensor view = x;
  view.data += first * row_bytes(x.dtype, x.row_stride);
  view.rows = n;
  return view;
}

}  // namespace hadal::cpu
