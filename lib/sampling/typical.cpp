// Locally typical sampling (Meister et al. 2023): the surprise -log p of a good next token is close
// to the entropy, the surprise expected.
#include <vector>

#include "lib/sampling/portable_math.hpp"
#include "lib/sampling/stages.hpp"

namespace hadal {

void keep_typical(Candidates& candidates, double p) {
  const std::vector<double> weights = weights_of(candidates);
  const double total = sum(weights);
  const double best = best_logit(candidates);
  const double log_total = portable_log(total);

  std::vector<double> deviations(candidates.size());  // of each surprise from the entropy
  double entropy = 0.0;
  for (size_t i = 0; i < deviations.size(); ++i) {
    const double surprise = log_total - (static_cast<double>(candidates[i].logit) - best);
    deviations[i] = surprise;
    if (weights[i] > 0.0) entropy += weights[i] / total * surprise;
  }
  for (double& d : deviations) d = d > entropy ? d - entropy : entropy - d;
  keep_mass(candidates, deviations, weights, p * total);
}

}  // namespace hadal
