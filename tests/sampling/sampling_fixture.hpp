// Small helpers of the sampling tests: candidates from probabilities, ids of what remains, seeded
// logits without <random>, whose distributions differ between libraries.
#pragma once

#include <cmath>
#include <vector>

#include "lib/sampling/candidates.hpp"
#include "lib/sampling/random.hpp"
#include "lib/sampling/sampler.hpp"
#include "lib/sampling/stages.hpp"

namespace hadal::test {

using Ids = std::vector<int32_t>;
using Floats = std::vector<float>;

inline Candidates from_logits(const Floats& logits) { return candidates_of(logits); }

// Candidates 0, 1, 2, ... of these probabilities.
inline Candidates from_probabilities(const std::vector<double>& probabilities) {
  Floats logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return candidates_of(logits);
}

inline Ids ids_of(const Candidates& candidates) {
  Ids ids;
  for (const Candidate& c : candidates) ids.push_back(c.id);
  return ids;
}

// n numbers, evenly spread over [-range, range).
inline Floats random_logits(size_t n, double range, uint64_t seed) {
  Floats logits(n);
  for (size_t i = 0; i < n; ++i) {
    logits[i] = static_cast<float>((2.0 * uniforms(seed, i).token - 1.0) * range);
  }
  return logits;
}

// A pick that must succeed; -1 if it does not.
inline int32_t pick(const SamplerOptions& options, const Floats& logits, const Ids& history = {},
                    uint64_t draw = 0, const std::vector<uint8_t>& allowed = {}) {
  const auto token = Sampler(options).pick(logits, history, allowed, draw);
  return token.ok() ? *token : -1;
}

}  // namespace hadal::test
