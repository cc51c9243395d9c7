// Nucleus sampling (Holtzman et al. 2020): the best tokens that together have the mass p.
#include <vector>

#include "lib/sampling/stages.hpp"

namespace hadal {

void keep_top_p(Candidates& candidates, double p) {
  const std::vector<double> weights = weights_of(candidates);
  std::vector<double> ranks(candidates.size());
  for (size_t i = 0; i < ranks.size(); ++i) ranks[i] = -static_cast<double>(candidates[i].logit);
  keep_mass(candidates, ranks, weights, p * sum(weights));
}

}  // namespace hadal
