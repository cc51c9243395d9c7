// What the caller knows better: added before everything else.
#include <cmath>
#include <limits>

#include "lib/sampling/stages.hpp"

namespace hadal {

float saturated(double logit) {
  constexpr double kMost = static_cast<double>(std::numeric_limits<float>::max());
  if (logit > kMost) return std::numeric_limits<float>::max();
  if (logit < -kMost) return std::numeric_limits<float>::lowest();
  return static_cast<float>(logit);
}

void add_logit_bias(std::span<float> logits, std::span<const std::pair<int32_t, double>> bias) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  for (const auto& [id, value] : bias) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) continue;
    float& logit = logits[static_cast<size_t>(id)];
    if (logit == kNever) continue;
    logit = std::isfinite(value) ? saturated(static_cast<double>(logit) + value) : kNever;
  }
}

}  // namespace hadal
