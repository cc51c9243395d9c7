// Weights and the selection by mass. Everything is linear in the number of candidates, but for the
// sort of the few at the border of what is kept.
#include "lib/sampling/candidates.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "lib/base/status.hpp"
#include "lib/sampling/portable_math.hpp"

namespace hadal {

Candidates candidates_of(std::span<const float> logits) {
  Candidates candidates;
  candidates.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > -std::numeric_limits<float>::infinity()) {
      candidates.push_back({logits[i], static_cast<int32_t>(i)});
    }
  }
  return candidates;
}

double best_logit(const Candidates& candidates) {
  HADAL_CHECK(!candidates.empty());
  float best = candidates[0].logit;
  for (const Candidate& c : candidates) best = c.logit > best ? c.logit : best;
  return static_cast<double>(best);
}

std::vector<double> weights_of(const Candidates& candidates, double temperature) {
  const double best = best_logit(candidates);
  std::vector<double> weights(candidates.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    // The best has 0 whatever the temperature; 0 / T would be NaN for a T that the host flushes.
    const double lead = static_cast<double>(candidates[i].logit) - best;
    weights[i] = lead == 0.0 ? 0.0 : lead / temperature;
  }
  portable_exp(weights);
  return weights;
}

double sum(std::span<const double> values) {
  double total = 0.0;
  for (const double value : values) total += value;
  return total;
}

// The ranks are cut into even slices. Slices that fit into `wanted` as a whole are kept unsorted;
// only the one in which the sum passes `wanted` has to be sorted.
void keep_mass(Candidates& candidates, std::span<const double> ranks,
               std::span<const double> weights, double wanted) {
  constexpr size_t kSlices = 1024;
  const auto [low, high] = std::minmax_element(ranks.begin(), ranks.end());
  const double first = *low;
  const double per_rank = kSlices / std::max(*high - first, 1e-300);

  std::vector<uint16_t> slices(ranks.size());
  std::array<double, kSlices> masses{};
  std::array<size_t, kSlices> counts{};
  for (size_t i = 0; i < ranks.size(); ++i) {
    const double slice = (ranks[i] - first) * per_rank;
    slices[i] = static_cast<uint16_t>(slice < kSlices - 1 ? slice : kSlices - 1);
    masses[slices[i]] += weights[i];
    ++counts[slices[i]];
  }
  double mass = 0.0;  // of the slices before the border
  size_t border = 0;  // the first slice is never empty: the lowest rank is in it
  for (size_t slice = 1; slice < kSlices && mass + masses[border] < wanted; ++slice) {
    if (counts[slice] == 0) continue;
    mass += masses[border];
    border = slice;
  }

  std::vector<size_t> at_border;
  at_border.reserve(counts[border]);
  for (size_t i = 0; i < slices.size(); ++i) {
    if (slices[i] == border) at_border.push_back(i);
  }
  const auto before = [&](size_t a, size_t b) {
    return ranks[a] < ranks[b] || (ranks[a] == ranks[b] && a < b);
  };
  std::sort(at_border.begin(), at_border.end(), before);
  size_t last = 0;
  while (last + 1 < at_border.size() && mass + weights[at_border[last]] < wanted) {
    mass += weights[at_border[last++]];
  }
  const size_t cut = at_border[last];

  size_t kept = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (slices[i] < border || (slices[i] == border && !before(cut, i))) {
      candidates[kept++] = candidates[i];
    }
  }
  candidates.resize(kept);
}

}  // namespace hadal
