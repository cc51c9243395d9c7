// Time of one pick from V3's vocabulary, by stages. Logits look like a model's: a broad mass, a few
// candidates far above it. Wrong results are not timed: the picks are compared with a full sort.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "lib/sampling/candidates.hpp"
#include "lib/sampling/random.hpp"
#include "lib/sampling/sampler.hpp"
#include "lib/sampling/stages.hpp"

namespace hadal {
namespace {

constexpr size_t kVocabulary = 129'280;

std::vector<float> model_like_logits() {
  std::vector<float> logits(kVocabulary);
  for (size_t i = 0; i < kVocabulary; ++i) {
    // The sum of four uniforms is bell-shaped enough; then 200 candidates that matter.
    const Uniforms a = uniforms(1, i), b = uniforms(2, i);
    logits[i] = static_cast<float>((a.token + a.xtc + b.token + b.xtc - 2.0) * 4.0);
    if (i % 640 == 7) logits[i] += static_cast<float>(14.0 * a.token);
  }
  return logits;
}

// What top-k 40 must leave, by sorting everything.
bool top_k_is_right(const std::vector<float>& logits) {
  Candidates sorted = candidates_of(logits), kept = sorted;
  std::sort(sorted.begin(), sorted.end(), better);
  keep_top_k(kept, 40);
  std::sort(kept.begin(), kept.end(), better);
  return kept.size() == 40 && std::equal(kept.begin(), kept.end(), sorted.begin(),
                                         [](const auto& a, const auto& b) { return a.id == b.id; });
}

void pick(benchmark::State& state, const SamplerOptions& options, size_t n_history) {
  const std::vector<float> logits = model_like_logits();
  std::vector<int32_t> history;
  for (size_t i = 0; i < n_history; ++i) history.push_back(static_cast<int32_t>(i * i % 997));
  const std::vector<uint8_t> allowed(128'815, 1);  // as many as V3's tokenizer has
  const Sampler sampler(options);
  if (!top_k_is_right(logits)) return state.SkipWithError("top-k differs from a full sort");

  uint64_t draw = 0;
  for (auto _ : state) {
    const auto token = sampler.pick(logits, history, allowed, draw++);
    if (!token.ok()) return state.SkipWithError("no token");
    benchmark::DoNotOptimize(*token);
  }
}

void logprobs(benchmark::State& state) {
  const std::vector<float> logits = model_like_logits();
  for (auto _ : state) benchmark::DoNotOptimize(log_probabilities(logits, 5, 20).chosen);
}

const SamplerOptions kGreedy = {.temperature = 0};
const SamplerOptions kPlain = {.temperature = 0.6};
const SamplerOptions kTopK = {.temperature = 0.6, .top_k = 40};
const SamplerOptions kTopP = {.temperature = 0.6, .top_p = 0.95};
const SamplerOptions kMinP = {.temperature = 0.6, .min_p = 0.05};
const SamplerOptions kTypical = {.temperature = 0.6, .typical_p = 0.95};
const SamplerOptions kPenalties = {
    .temperature = 0, .repetition_penalty = 1.1, .penalty_window = 0};
const SamplerOptions kDry = {.temperature = 0, .dry_multiplier = 0.8};
const SamplerOptions kEverything = {.temperature = 0.8,
                                    .top_k = 100,
                                    .top_p = 0.95,
                                    .min_p = 0.01,
                                    .typical_p = 0.99,
                                    .repetition_penalty = 1.1,
                                    .dry_multiplier = 0.8,
                                    .xtc_probability = 0.5};

BENCHMARK_CAPTURE(pick, greedy, kGreedy, 0)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(pick, temperature, kPlain, 0)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(pick, top_k, kTopK, 0)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(pick, top_p, kTopP, 0)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(pick, min_p, kMinP, 0)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(pick, typical, kTypical, 0)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(pick, penalties_over_32k, kPenalties, 32'768)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(pick, dry_over_32k, kDry, 32'768)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(pick, everything, kEverything, 4'096)->Unit(benchmark::kMicrosecond);
BENCHMARK(logprobs)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace hadal

BENCHMARK_MAIN();
