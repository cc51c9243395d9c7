// Multi-head latent attention (section 2.1.1 of the V3 report).
#pragma once

#include "backends/backend.hpp"
#include "lib/model/batch.hpp"
#include "lib/model/buffers.hpp"
#include "lib/model/config.hpp"
#include "lib/model/weights.hpp"

namespace hadal {

// The two ways to compute the same: with queries carried into the latent space, or with keys and
// values carried out of it.
enum class MlaForm { kAbsorbed, kExpanded };
// Which one has less to do for these rows.
MlaForm cheaper_form(const ModelConfig& config, const Batch& batch);

// x and out [n_rows, hidden_size]. Writes one cache row per batch row into latent_cache.
void mla_forward(Backend& backend, const ModelConfig& config, const MlaWeights& w, MlaForm form,
                 float softmax_scale, const BatchRows& rows, const CacheLayer& latent_cache,
                 const Tensor& x, const MlaBuffers& b, const Tensor& out);

}  // namespace hadal
