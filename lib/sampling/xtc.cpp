// XTC, "exclude top choices" (p-e-w, text-generation-webui pull request 6335): now and then the
// obvious continuations are left out, but never all that are good enough.
#include <vector>

#include "lib/sampling/stages.hpp"

namespace hadal {

void exclude_top_choices(Candidates& candidates, double threshold) {
  const std::vector<double> weights = weights_of(candidates);
  const double cut = threshold * sum(weights);
  const Candidate* least = nullptr;  // of those that are good enough
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (weights[i] < cut) continue;
    if (least == nullptr || better(*least, candidates[i])) least = &candidates[i];
  }
  if (least == nullptr) return;
  const Candidate kept = *least;
  std::erase_if(candidates, [&](const Candidate& c) { return better(c, kept); });
}

}  // namespace hadal
