// What the model itself thought of the tokens, before any stage.
#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/sampling/candidates.hpp"
#include "lib/sampling/portable_math.hpp"
#include "lib/sampling/sampler.hpp"

namespace hadal {

LogProbabilities log_probabilities(std::span<const float> logits, int32_t token, int64_t n_best) {
  HADAL_CHECK(token >= 0 && static_cast<size_t>(token) < logits.size() && n_best >= 0);
  LogProbabilities result;
  result.chosen = -std::numeric_limits<float>::infinity();
  Candidates candidates;
  candidates.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) candidates.push_back({logits[i], static_cast<int32_t>(i)});
  }
  if (candidates.empty()) return result;

  const double log_total = best_logit(candidates) + portable_log(sum(weights_of(candidates)));
  const auto log_p = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - log_total);
  };
  const float logit = logits[static_cast<size_t>(token)];
  if (std::isfinite(logit)) result.chosen = log_p(logit);

  const size_t n = std::min(candidates.size(), static_cast<size_t>(n_best));
  const auto end = candidates.begin() + static_cast<ptrdiff_t>(n);
  std::partial_sort(candidates.begin(), end, candidates.end(), better);
  for (size_t i = 0; i < n; ++i) {
    result.best.emplace_back(candidates[i].id, log_p(candidates[i].logit));
  }
  return result;
}

}  // namespace hadal
