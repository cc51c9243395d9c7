// Multi-head latent attention (section 2.1.1 of the V3 report), in its absorbed form.
#pragma once

#include "backends/backend.hpp"
#include "lib/model/buffers.hpp"
#include "lib/model/config.hpp"
#include "lib/model/weights.hpp"

namespace hadal {

// x and out [n_rows, hidden_size]. Writes one cache row per batch row into latent_cache.
void mla_forward(Backend& backend, const ModelConfig& config, const MlaWeights& w,
                 float softmax_scale, const BatchRows& rows, const CacheLayer& latent_cache,
                 const Tensor& x, const MlaBuffers& b, const Tensor& out);

}  // namespace hadal
