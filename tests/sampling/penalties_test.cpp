// Mirrors lib/sampling/penalties.
#include <gtest/gtest.h>

#include <limits>

#include "tests/sampling/sampling_fixture.hpp"

namespace hadal::test {
namespace {

Floats penalised(Floats logits, const Ids& history, const SamplerOptions& options) {
  apply_penalties(logits, history, options);
  return logits;
}

TEST(PenaltiesTest, RepetitionDividesPositiveAndMultipliesNegativeLogits) {
  EXPECT_EQ(penalised({4, -4, 4, 0}, {0, 1, 3}, {.repetition_penalty = 2}), (Floats{2, -8, 4, 0}));
}

TEST(PenaltiesTest, RepetitionCountsASightOnce) {
  EXPECT_EQ(penalised({4, 4}, {0, 0, 0}, {.repetition_penalty = 2}), (Floats{2, 4}));
}

TEST(PenaltiesTest, PresenceIsSubtractedOnceAndFrequencyPerSight) {
  EXPECT_EQ(penalised({4, 4, 4}, {0, 0, 0, 1}, {.presence_penalty = 1}), (Floats{3, 3, 4}));
  EXPECT_EQ(penalised({4, 4, 4}, {0, 0, 0, 1}, {.frequency_penalty = 1}), (Floats{1, 3, 4}));
}

TEST(PenaltiesTest, RepetitionComesBeforeTheSubtractions) {
  const SamplerOptions all = {
      .repetition_penalty = 2, .presence_penalty = 1, .frequency_penalty = 0.5};
  EXPECT_EQ(penalised({4, -4}, {0, 0, 1}, all), (Floats{0, -9.5}));
}

TEST(PenaltiesTest, WindowCountsTheLastTokensAlone) {
  const Ids history = {0, 1, 2, 1};
  SamplerOptions options = {.frequency_penalty = 1, .penalty_window = 2};
  EXPECT_EQ(penalised({4, 4, 4}, history, options), (Floats{4, 3, 3}));
  options.penalty_window = 3;
  EXPECT_EQ(penalised({4, 4, 4}, history, options), (Floats{4, 2, 3}));
  options.penalty_window = 100;
  EXPECT_EQ(penalised({4, 4, 4}, history, options), (Floats{3, 2, 3}));
  options.penalty_window = 0;  // all
  EXPECT_EQ(penalised({4, 4, 4}, history, options), (Floats{3, 2, 3}));
}

TEST(PenaltiesTest, WindowIs64TokensByDefault) {
  Ids history = {0};
  history.resize(64, 1);
  EXPECT_EQ(penalised({4, 4}, history, {.presence_penalty = 1}), (Floats{3, 3}));
  history.push_back(1);
  EXPECT_EQ(penalised({4, 4}, history, {.presence_penalty = 1}), (Floats{4, 3}));
}

TEST(PenaltiesTest, NegativePenaltiesEncourage) {
  EXPECT_EQ(penalised({4, 4}, {0}, {.presence_penalty = -1}), (Floats{5, 4}));
}

TEST(PenaltiesTest, WhatMayNotBeChosenStaysSoAndNothingElseBecomesSo) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  const SamplerOptions harsh = {.repetition_penalty = 1e-30, .presence_penalty = -1e300};
  EXPECT_EQ(penalised({kNever, 1}, {0, 1}, harsh),
            (Floats{kNever, std::numeric_limits<float>::max()}));
  const SamplerOptions gentle = {.presence_penalty = 1e300};
  EXPECT_EQ(penalised({1}, {0}, gentle), (Floats{std::numeric_limits<float>::lowest()}));
}

TEST(PenaltiesTest, IdsBeyondTheLogitsHaveNoEffect) {
  EXPECT_EQ(penalised({4}, {7, -1, 2'000'000'000}, {.presence_penalty = 1}), (Floats{4}));
}

}  // namespace
}  // namespace hadal::test
