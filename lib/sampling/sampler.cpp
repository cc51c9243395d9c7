// The order of the stages; hadal.h promises it above hadal_sampler_create.
#include "lib/sampling/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/sampling/random.hpp"
#include "lib/sampling/stages.hpp"

namespace hadal {
namespace {

// A copy in which everything that must not be chosen is -inf, whatever it was.
std::vector<float> choosable(std::span<const float> logits, std::span<const uint8_t> allowed) {
  std::vector<float> result(logits.begin(), logits.end());
  for (size_t i = 0; i < result.size(); ++i) {
    const bool masked = !allowed.empty() && (i >= allowed.size() || allowed[i] == 0);
    if (masked || !std::isfinite(result[i])) result[i] = -std::numeric_limits<float>::infinity();
  }
  return result;
}

}  // namespace

Sampler::Sampler(SamplerOptions options) : options_(std::move(options)) {}

absl::StatusOr<int32_t> Sampler::pick(std::span<const float> logits,
                                      std::span<const int32_t> history,
                                      std::span<const uint8_t> allowed, uint64_t draw) const {
  const SamplerOptions& o = options_;
  const Uniforms uniform = uniforms(o.seed, draw);
  std::vector<float> changed = choosable(logits, allowed);

  if (!o.logit_bias.empty()) add_logit_bias(changed, o.logit_bias);
  if (o.repetition_penalty != 1.0 || o.presence_penalty != 0.0 || o.frequency_penalty != 0.0) {
    apply_penalties(changed, history, o);
  }
  if (o.dry_multiplier != 0.0) apply_dry(changed, history, o);

  Candidates candidates = candidates_of(changed);
  if (candidates.empty()) {
    return fail(HADAL_E_INVALID_ARGUMENT,
                absl::StrCat("none of the ", logits.size(),
                             " logits that may be chosen is finite and not banned"),
                "The model gave no usable numbers, or the logit bias bans every token.");
  }
  if (o.temperature == 0.0) {
    return std::min_element(candidates.begin(), candidates.end(), better)->id;
  }

  if (o.top_k > 0) keep_top_k(candidates, o.top_k);
  if (o.typical_p < 1.0) keep_typical(candidates, o.typical_p);
  if (o.top_p < 1.0) keep_top_p(candidates, o.top_p);
  if (o.min_p > 0.0) keep_min_p(candidates, o.min_p);
  if (uniform.xtc < o.xtc_probability) exclude_top_choices(candidates, o.xtc_threshold);
  return draw_at_temperature(candidates, o.temperature, uniform.token);
}

}  // namespace hadal
