// Repetition (Keskar et al. 2019, CTRL): the logit's distance from "certain" is stretched, whatever
// its sign. Presence and frequency: subtracted, once and once per sight.
#include <limits>

#include "lib/base/hash_map.hpp"
#include "lib/sampling/sampler.hpp"
#include "lib/sampling/stages.hpp"

namespace hadal {

void apply_penalties(std::span<float> logits, std::span<const int32_t> history,
                     const SamplerOptions& options) {
  const auto window = static_cast<size_t>(options.penalty_window);
  if (window > 0 && history.size() > window) history = history.last(window);

  HashMap<int32_t, int64_t> sights;
  for (const int32_t id : history) ++sights[id];
  // In no particular order, which does not matter: each id is changed once, on its own.
  for (const auto& [id, count] : sights) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) continue;
    float& logit = logits[static_cast<size_t>(id)];
    if (logit == -std::numeric_limits<float>::infinity()) continue;
    auto value = static_cast<double>(logit);
    if (options.repetition_penalty != 1.0) {
      value = value > 0.0 ? value / options.repetition_penalty : value * options.repetition_penalty;
    }
    value -= options.presence_penalty + options.frequency_penalty * static_cast<double>(count);
    logit = saturated(value);
  }
}

}  // namespace hadal
