// What a config of scope sampler says.
#pragma once

#include "lib/sampling/sampler.hpp"
#include "lib/session/options.hpp"

namespace hadal {

// Draws a seed from the system where none was set.
absl::StatusOr<SamplerOptions> sampler_options(const Config& config);

}  // namespace hadal
