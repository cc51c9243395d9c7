// How a token is chosen from logits: the order of the stages, and the draw. Immutable and
// thread-safe. Same logits, history and draw number give the same token on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "lib/base/status.hpp"

namespace hadal {

struct SamplerOptions {  // HADAL_OPT_TEMPERATURE ... in bounds already
  double temperature = 1.0;
  int64_t top_k = 0;
  double top_p = 1.0;
  double min_p = 0.0;
  double typical_p = 1.0;
  double repetition_penalty = 1.0;
  double presence_penalty = 0.0;
  double frequency_penalty = 0.0;
  int64_t penalty_window = 64;
  double dry_multiplier = 0.0;
  double dry_base = 1.75;
  int64_t dry_allowed_length = 2;
  int64_t dry_window = 0;
  std::vector<int32_t> dry_breakers{};
  double xtc_probability = 0.0;
  double xtc_threshold = 0.1;
  std::vector<std::pair<int32_t, double>> logit_bias{};
  uint64_t seed = 0;
};

// "12,345" and "12:-1.5,13:-inf"; E_OUT_OF_RANGE says which item is wrong.
absl::StatusOr<std::vector<int32_t>> parse_token_ids(absl::string_view text);
absl::StatusOr<std::vector<std::pair<int32_t, double>>> parse_logit_bias(absl::string_view text);

class Sampler {
 public:
  explicit Sampler(SamplerOptions options);

  // The ids of `logits` may be chosen; if `allowed` is not empty, only those with allowed[id] set,
  // and none beyond it. history: the tokens so far, oldest first. E_INVALID_ARGUMENT if no logit
  // that may be chosen is finite (NaN is never chosen; +inf counts as not finite).
  absl::StatusOr<int32_t> pick(std::span<const float> logits, std::span<const int32_t> history,
                               std::span<const uint8_t> allowed, uint64_t draw) const;

  uint64_t seed() const { return options_.seed; }

 private:
  SamplerOptions options_;
};

// log_softmax of raw logits: of one token, and of the n best, best first, ties to the lower id.
// What is not finite has no part in it.
struct LogProbabilities {
  float chosen = 0.0f;
  std::vector<std::pair<int32_t, float>> best;
};
LogProbabilities log_probabilities(std::span<const float> logits, int32_t token, int64_t n_best);

}  // namespace hadal
