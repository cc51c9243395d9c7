// Mirrors lib/sampling/sampler: what a whole pick promises.
#include "lib/sampling/sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "tests/sampling/sampling_fixture.hpp"

namespace hadal::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// How often each id was drawn.
std::map<int32_t, int> counts(const SamplerOptions& options, const Floats& logits, int n_draws,
                              const Ids& history = {}) {
  std::map<int32_t, int> result;
  const Sampler sampler(options);
  for (int draw = 0; draw < n_draws; ++draw) {
    const auto token = sampler.pick(logits, history, {}, static_cast<uint64_t>(draw));
    ++result[token.ok() ? *token : -1];
  }
  return result;
}

Ids drawn(const SamplerOptions& options, const Floats& logits, int n_draws,
          const Ids& history = {}) {
  Ids ids;
  for (const auto& [id, count] : counts(options, logits, n_draws, history)) ids.push_back(id);
  return ids;
}

Floats log_of(const std::vector<double>& probabilities) {
  Floats logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

// ---- Greedy -------------------------------------------------------------------------------------

TEST(SamplerTest, TemperatureZeroTakesTheBestWithTiesToTheLowerId) {
  EXPECT_EQ(pick({.temperature = 0}, {1, 5, 3}), 1);
  EXPECT_EQ(pick({.temperature = 0}, {1, 5, 5, 5}), 1);
  EXPECT_EQ(pick({.temperature = 0}, {-0.0f, 0.0f}), 0);
}

TEST(SamplerTest, TemperatureZeroComesAfterBiasPenaltiesAndDry) {
  EXPECT_EQ(pick({.temperature = 0, .logit_bias = {{2, 9}}}, {1, 5, 3}), 2);
  EXPECT_EQ(pick({.temperature = 0, .presence_penalty = 3}, {1, 5, 3}, {1}), 2);
  EXPECT_EQ(pick({.temperature = 0, .dry_multiplier = 3}, {1, 5, 3}, {0, 0, 1, 0, 0}), 2);
}

TEST(SamplerTest, TemperatureZeroIgnoresTheStagesThatRemoveCandidates) {
  const SamplerOptions options = {
      .temperature = 0, .typical_p = 0.1, .xtc_probability = 1, .xtc_threshold = 0};
  EXPECT_EQ(pick(options, log_of({0.4, 0.3, 0.3})), 0);
}

// ---- What may be chosen -------------------------------------------------------------------------

// G14: rows of the embedding beyond the tokenizer have weights, and logits, but no text.
TEST(SamplerTest, G14RowsWithoutTextAreNeverChosen) {
  const Floats logits = {1, 2, 50, 40};
  for (const double temperature : {0.0, 1.0, 1e30}) {
    for (uint64_t draw = 0; draw < 200; ++draw) {
      const int32_t token = pick({.temperature = temperature}, logits, {}, draw, {1, 1, 0, 0});
      EXPECT_TRUE(token == 0 || token == 1) << token;
      EXPECT_EQ(pick({.temperature = temperature}, logits, {}, draw, {0, 1}), 1);
    }
  }
}

TEST(SamplerTest, MaskedRowsDoNotCountForTopK) {
  const std::vector<uint8_t> allowed = {1, 1, 0, 0};
  EXPECT_EQ(pick({.top_k = 1}, {1, 2, 50, 40}, {}, 0, allowed), 1);
  EXPECT_EQ(pick({.top_p = 0.01}, {1, 2, 50, 40}, {}, 0, allowed), 1);
}

TEST(SamplerTest, LogitsThatAreNotFiniteAreNeverChosen) {
  for (uint64_t draw = 0; draw < 100; ++draw) {
    EXPECT_EQ(pick({}, {kNan, 1, kInfinity, -kInfinity}, {}, draw), 1);
    EXPECT_EQ(pick({.temperature = 0}, {kNan, 1, kInfinity, -kInfinity}, {}, draw), 1);
  }
}

TEST(SamplerTest, NothingToChooseIsAnError) {
  const Sampler sampler({.logit_bias = {{0, -std::numeric_limits<double>::infinity()}}});
  const auto check = [&](const Floats& logits, const std::vector<uint8_t>& allowed) {
    const auto token = sampler.pick(logits, {}, allowed, 0);
    ASSERT_FALSE(token.ok());
    EXPECT_EQ(code_of(token.status()), HADAL_E_INVALID_ARGUMENT);
    EXPECT_THAT(message_of(token.status()), testing::HasSubstr("finite"));
    EXPECT_FALSE(hint_of(token.status()).empty());
  };
  check({}, {});
  check({kNan, kNan}, {});
  check({kInfinity, -kInfinity}, {});
  check({1}, {});               // banned
  check({1, 2, 3}, {1, 0, 0});  // banned, or without text
}

TEST(SamplerTest, OneCandidateIsChosenWhateverTheOptions) {
  const SamplerOptions options = {.temperature = 1e-300,
                                  .top_k = 5,
                                  .top_p = 0.0,
                                  .min_p = 1.0,
                                  .typical_p = 0.0,
                                  .xtc_probability = 1.0,
                                  .xtc_threshold = 0.0};
  EXPECT_EQ(pick(options, {-7}), 0);
}

// ---- Distribution -------------------------------------------------------------------------------

// Sum of (seen - expected)^2 / expected.
double chi_square(const std::map<int32_t, int>& seen, const std::vector<double>& probabilities,
                  int n_draws) {
  double chi = 0.0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const double expected = probabilities[i] * n_draws;
    const auto found = seen.find(static_cast<int32_t>(i));
    const double difference = (found == seen.end() ? 0 : found->second) - expected;
    chi += difference * difference / expected;
  }
  return chi;
}

TEST(SamplerTest, DrawsFollowTheSoftmax) {
  const std::vector<double> p = {0.30, 0.05, 0.20, 0.01, 0.14, 0.10, 0.08, 0.02, 0.07, 0.03};
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto seen = counts({.seed = seed}, log_of(p), 50'000);
    EXPECT_LT(chi_square(seen, p, 50'000), 27.9) << seed;  // 9 degrees of freedom: 1 in 1,000
  }
}

TEST(SamplerTest, DrawsFollowTheTemperature) {
  // p^(1/T), normalised: T = 2 of 1 : 4 : 16 is 1 : 2 : 4.
  const auto warm = counts({.temperature = 2.0, .seed = 1}, log_of({1, 4, 16}), 50'000);
  EXPECT_LT(chi_square(warm, {1 / 7., 2 / 7., 4 / 7.}, 50'000), 13.8);
  const auto cool = counts({.temperature = 0.5, .seed = 1}, log_of({1, 2, 3}), 50'000);
  EXPECT_LT(chi_square(cool, {1 / 14., 4 / 14., 9 / 14.}, 50'000), 13.8);
}

TEST(SamplerTest, XtcActsAsOftenAsAskedAndIndependentlyOfTheDraw) {
  // One draw in four loses token 0: 0.75 * 0.5, and 0.75 * 0.3 + 0.25 * 0.3 / 0.5 and so on.
  const SamplerOptions options = {.xtc_probability = 0.25, .xtc_threshold = 0.3, .seed = 3};
  const auto seen = counts(options, log_of({0.5, 0.3001, 0.1999}), 50'000);
  EXPECT_LT(chi_square(seen, {0.375, 0.375, 0.25}, 50'000), 13.8);
}

TEST(SamplerTest, ExtremeTemperatures) {
  const Floats logits = {1, 2, 1.9999999f, -3e38f};
  EXPECT_EQ(drawn({.temperature = 1e-12}, logits, 500), (Ids{1}));
  EXPECT_EQ(drawn({.temperature = 1e-320}, logits, 500), (Ids{1}));
  const auto hot = counts({.temperature = 1e300, .seed = 9}, logits, 20'000);
  EXPECT_LT(chi_square(hot, {0.25, 0.25, 0.25, 0.25}, 20'000), 16.3);
}

TEST(SamplerTest, ExtremeLogits) {
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_EQ(drawn({}, {kMost, -kMost, 0, kMost}, 500), (Ids{0, 3}));
  EXPECT_EQ(drawn({}, {-kMost, -kMost}, 500), (Ids{0, 1}));
  EXPECT_EQ(drawn({.top_p = 0.9, .min_p = 0.1, .typical_p = 0.9}, {kMost, -kMost, 0}, 50),
            (Ids{0}));
}

// ---- Order of the stages, as hadal.h gives it ---------------------------------------------------

TEST(SamplerTest, BiasComesBeforePenalties) {
  // 4 - 6 = -2, times 2 = -4; the other way round 2 - 6 = -4, too: so with 1: -4 + 6 = 2, / 2 = 1
  // against -8 + 6 = -2.
  const SamplerOptions options = {
      .temperature = 0, .repetition_penalty = 2, .logit_bias = {{0, 6}}};
  EXPECT_EQ(pick(options, {-4, 0}, {0}), 0);
}

TEST(SamplerTest, PenaltiesComeBeforeTopK) {
  EXPECT_EQ(pick({.top_k = 1, .presence_penalty = 5}, {1, 5, 3}, {1}), 2);
  EXPECT_EQ(pick({.top_k = 1, .dry_multiplier = 5}, {1, 5, 3}, {0, 0, 1, 0, 0}), 2);
}

TEST(SamplerTest, TopKComesBeforeTypical) {
  // Alone, typical would prefer the seven rare tokens (see TypicalTest); top-k leaves none of them.
  const Floats logits = log_of({0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1});
  EXPECT_EQ(drawn({.typical_p = 0.35}, logits, 300), (Ids{1, 2, 3, 4}));
  EXPECT_EQ(drawn({.top_k = 1, .typical_p = 0.35}, logits, 300), (Ids{0}));
}

TEST(SamplerTest, TypicalComesBeforeTopP) {
  const Floats logits = log_of({0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1});
  EXPECT_EQ(drawn({.top_p = 0.4, .typical_p = 0.35}, logits, 300), (Ids{1, 2}));
}

TEST(SamplerTest, TopPComesBeforeMinPAndXtc) {
  // Of 0.5, 0.3, 0.2 top-p 0.7 leaves 5/8 and 3/8; then XTC at 0.35 finds two top choices, before
  // it only one.
  const Floats logits = log_of({0.5, 0.3, 0.2});
  const SamplerOptions xtc = {.xtc_probability = 1, .xtc_threshold = 0.35};
  EXPECT_EQ(drawn(xtc, logits, 300), (Ids{0, 1, 2}));
  SamplerOptions both = xtc;
  both.top_p = 0.7;
  EXPECT_EQ(drawn(both, logits, 300), (Ids{1}));
  // XTC before min-p would leave 2 alone, next to which 3 is good enough.
  const SamplerOptions min_p = {.min_p = 0.5, .xtc_probability = 1, .xtc_threshold = 0.15};
  EXPECT_EQ(drawn(min_p, log_of({0.5, 0.2, 0.16, 0.14}), 300), (Ids{0}));
}

TEST(SamplerTest, TemperatureComesLast) {
  // A high temperature does not let more tokens through the stages before it.
  const Floats logits = log_of({0.9, 0.06, 0.04});
  EXPECT_EQ(drawn({.temperature = 1e9, .top_p = 0.9001}, logits, 300), (Ids{0, 1}));
  EXPECT_EQ(drawn({.temperature = 1e9, .min_p = 0.05}, logits, 300), (Ids{0, 1}));
}

// ---- The same draw everywhere -------------------------------------------------------------------

TEST(SamplerTest, SameDrawNumberGivesTheSameTokenAndOthersVary) {
  const Floats logits = random_logits(1'000, 3.0, 5);
  const SamplerOptions options = {.seed = 42};
  std::map<int32_t, int> seen;
  for (uint64_t draw = 0; draw < 100; ++draw) {
    const int32_t token = pick(options, logits, {}, draw);
    EXPECT_EQ(pick(options, logits, {}, draw), token);
    ++seen[token];
  }
  EXPECT_GT(seen.size(), 60u);
  EXPECT_EQ(Sampler(options).seed(), 42u);
}

// A stage that removes only what the point does not hit leaves the draw where it was: whether the
// best were sorted on the way must not show.
TEST(SamplerTest, StagesThatRemoveNothingDoNotMoveTheDraw) {
  const Floats logits = random_logits(500, 2.0, 8);
  for (uint64_t draw = 0; draw < 200; ++draw) {
    const int32_t token = pick({.seed = 1}, logits, {}, draw);
    EXPECT_EQ(pick({.top_k = 499'999, .seed = 1}, logits, {}, draw), token);
    EXPECT_EQ(pick({.min_p = 1e-9, .seed = 1}, logits, {}, draw), token);
    EXPECT_EQ(pick({.top_p = 1.0 - 1e-15, .seed = 1}, logits, {}, draw), token);
  }
}

// Fixed for good: a change here changes every seeded answer of every user. The numbers come from an
// implementation of the stages in another language, by full sorts.
TEST(SamplerTest, GoldenDraws) {
  const Floats logits = random_logits(2'000, 6.0, 77);
  const Ids history = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 1, 4, 1, 5};
  const std::vector<std::pair<SamplerOptions, Ids>> golden = {
      {{.seed = 1}, {1813, 1369, 529, 1551, 529, 314, 947, 1007}},
      {{.temperature = 0.6, .top_p = 0.95, .seed = 18'446'744'073'709'551'615u},
       {995, 258, 228, 1166, 1310, 950, 805, 950}},
      {{.temperature = 1.3, .top_k = 40, .min_p = 0.05, .seed = 2},
       {1022, 268, 1230, 417, 387, 1951, 4, 792}},
      {{.typical_p = 0.5, .repetition_penalty = 1.3, .frequency_penalty = 0.2, .seed = 3},
       {1665, 550, 1569, 259, 1862, 1071, 1709, 1862}},
      {{.temperature = 0.8,
        .dry_multiplier = 0.8,
        .xtc_probability = 0.5,
        .xtc_threshold = 0.002,
        .seed = 4},
       {269, 1766, 1635, 160, 1378, 545, 1166, 374}},
  };
  for (size_t i = 0; i < golden.size(); ++i) {
    Ids tokens;
    for (uint64_t draw = 0; draw < 8; ++draw) {
      tokens.push_back(pick(golden[i].first, logits, history, draw));
    }
    EXPECT_EQ(tokens, golden[i].second) << i;
  }
}

}  // namespace
}  // namespace hadal::test
