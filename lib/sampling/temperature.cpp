// The draw: the weights laid end to end in order of id, and one point on that line.
#include <vector>

#include "lib/sampling/stages.hpp"

namespace hadal {

int32_t draw_at_temperature(const Candidates& candidates, double temperature, double uniform) {
  const std::vector<double> weights = weights_of(candidates, temperature);
  const double point = uniform * sum(weights);
  double passed = 0.0;
  int32_t chosen = candidates[0].id;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (weights[i] == 0.0) continue;  // as on a machine that rounds denormals to 0
    chosen = candidates[i].id;        // also if the point was rounded up to the end of the line
    passed += weights[i];
    if (passed > point) break;
  }
  return chosen;
}

}  // namespace hadal
