// What the stages that remove candidates work on: the ids that may still be chosen, always in order
// of id, and the weights their logits give them. A stage only ever takes candidates out, so a draw
// depends on which remain and not on the way that led there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hadal {

struct Candidate {
  float logit;  // finite
  int32_t id;
};
using Candidates = std::vector<Candidate>;

// Higher logits first, ties to the lower id: a total order, so that any algorithm sorts alike.
inline bool better(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// The ids whose logit is above -inf.
Candidates candidates_of(std::span<const float> logits);

// The largest logit; there must be one.
double best_logit(const Candidates& candidates);

// exp((logit - best) / temperature) for each candidate: probabilities, but for a common factor. The
// best weighs 1.
std::vector<double> weights_of(const Candidates& candidates, double temperature = 1.0);

// In order, from the first.
double sum(std::span<const double> values);

// Keeps the smallest set whose weights sum up to `wanted`, taking lower ranks first, ties to the
// lower id; at least one. A rank and a weight per candidate.
void keep_mass(Candidates& candidates, std::span<const double> ranks,
               std::span<const double> weights, double wanted);

}  // namespace hadal
