// The tokens at least min_p times as probable as the best, whatever the shape of the rest.
#include "lib/sampling/portable_math.hpp"
#include "lib/sampling/stages.hpp"

namespace hadal {

void keep_min_p(Candidates& candidates, double min_p) {
  // Compared as logits: one logarithm in the place of an exponential for each candidate.
  const double cut = best_logit(candidates) + portable_log(min_p);
  std::erase_if(candidates, [&](const Candidate& c) { return static_cast<double>(c.logit) < cut; });
}

}  // namespace hadal
