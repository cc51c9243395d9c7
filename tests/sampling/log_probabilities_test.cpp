// Mirrors lib/sampling/log_probabilities.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/sampling/sampling_fixture.hpp"

namespace hadal::test {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

TEST(LogProbabilitiesTest, AreTheLogSoftmax) {
  const Floats logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  for (int32_t token = 0; token < 3; ++token) {
    const double p = std::vector<double>{1, 2, 5}[static_cast<size_t>(token)] / 8.0;
    EXPECT_NEAR(log_probabilities(logits, token, 0).chosen, std::log(p), 1e-6);
  }
}

TEST(LogProbabilitiesTest, BestComeFirstWithTiesToTheLowerId) {
  const LogProbabilities result = log_probabilities(Floats{1, 3, 2, 3}, 0, 3);
  ASSERT_EQ(result.best.size(), 3u);
  EXPECT_EQ(result.best[0].first, 1);
  EXPECT_EQ(result.best[1].first, 3);
  EXPECT_EQ(result.best[2].first, 2);
  EXPECT_EQ(result.best[0].second, result.best[1].second);
  EXPECT_FLOAT_EQ(result.best[0].second - result.best[2].second, 1.0f);
  EXPECT_FLOAT_EQ(result.best[2].second - result.chosen, 1.0f);
}

TEST(LogProbabilitiesTest, SumUpToOneForAWholeVocabulary) {
  const Floats logits = random_logits(129'280, 20.0, 4);
  const LogProbabilities result = log_probabilities(logits, 77, 129'280);
  ASSERT_EQ(result.best.size(), logits.size());
  double total = 0.0;
  for (const auto& [id, log_p] : result.best) total += std::exp(static_cast<double>(log_p));
  EXPECT_NEAR(total, 1.0, 1e-6);
  const auto chosen = std::find_if(result.best.begin(), result.best.end(),
                                   [](const auto& pair) { return pair.first == 77; });
  ASSERT_NE(chosen, result.best.end());
  EXPECT_EQ(chosen->second, result.chosen);
}

TEST(LogProbabilitiesTest, MoreThanThereAreGivesAll) {
  EXPECT_EQ(log_probabilities(Floats{1, 2}, 0, 20).best.size(), 2u);
}

TEST(LogProbabilitiesTest, WhatIsNotFiniteHasNoPart) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const LogProbabilities result = log_probabilities(Floats{nan, 1, kNever, -kNever, 1}, 2, 9);
  EXPECT_EQ(result.chosen, kNever);
  ASSERT_EQ(result.best.size(), 2u);
  EXPECT_NEAR(result.best[0].second, std::log(0.5), 1e-6);

  EXPECT_EQ(log_probabilities(Floats{nan, nan}, 0, 3).chosen, kNever);
  EXPECT_TRUE(log_probabilities(Floats{nan, nan}, 0, 3).best.empty());
}

}  // namespace
}  // namespace hadal::test
