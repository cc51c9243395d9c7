// The door of every op: that the shapes of its arguments fit each other and that every id and
// position in them points at something. What passes can be computed without further questions; what
// does not is a bug of ours and raises InternalError. Looks at rows, never at their values.
#pragma once

#include <cstdint>

#include "backends/backend.hpp"

namespace hadal {

void check_embed(const Tensor& token_id, const Weight& w, const Tensor& out);
void check_rms_norm(const Tensor& x, const Weight& gain, const Tensor& out);
void check_matmul(const Tensor& x, const Weight& w, const Tensor& out);
void check_rope(const BatchRows& rows, int32_t n_heads, const Tensor& x);
void check_latent_append(const LatentAppendArgs& args);
void check_per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out);
void check_mla_attention(const MlaAttentionArgs& args);
void check_mla_attention_expanded(const MlaExpandedArgs& args);
void check_moe_route(const MoeRouteArgs& args);
void check_moe_ffn(const MoeFfnArgs& args);
void check_swiglu(const Tensor& gate, const Tensor& up, const Tensor& out);
void check_add(const Tensor& x, const Tensor& sum);
void check_gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out);

}  // namespace hadal
