// The steps of backend.hpp in the plainest loops possible, one file each: the definition of right
// for every other backend. Data is f32, long sums are f64 in index order. Arguments have passed
// op_checks.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/backend.hpp"

namespace hadal::reference {

void embed(const Tensor& token_id, const Weight& w, const Tensor& out);
void rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out);
void rope(const BatchRows& rows, int32_t n_heads, const Tensor& x);
void latent_append(const LatentAppendArgs& args);
void per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out);
void mla_attention(const MlaAttentionArgs& args);
void mla_attention_expanded(const MlaExpandedArgs& args);
void moe_route(const MoeRouteArgs& args);
void moe_ffn(const MoeFfnArgs& args);
void swiglu(const Tensor& gate, const Tensor& up, const Tensor& out);
void add(const Tensor& x, const Tensor& sum);
void gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out);

// out = x . w^T with one slice of w.
void matmul(const Tensor& x, const Weight& w, int64_t slice, const Tensor& out);

// What the ops share.
std::vector<float> decoded_row(const Weight& w, int64_t slice, int64_t row);
double dot(const float* a, const float* b, int64_t n);
void rms_norm_row(const float* x, const float* gain, int64_t n, float eps, float* out);
// A row of the latent cache, [kv_lora_rank | qk_rope_head_dim], out of its types and into them.
std::vector<float> cached_row(const CacheRow& format, const std::byte* row);
void store_cached_row(const CacheRow& format, const float* values, std::byte* row);
void rotate_pairs(const float* x, const float* cos_sin, int64_t n, float* out);  // out may be x

}  // namespace hadal::reference
