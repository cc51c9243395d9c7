// Mirrors lib/sampling/dry: by hand, and against the definition spelled out in loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/sampling/sampling_fixture.hpp"

namespace hadal::test {
namespace {

Floats dried(const Ids& history, SamplerOptions options, size_t n_logits = 8) {
  Floats logits(n_logits, 0.0f);
  apply_dry(logits, history, options);
  return logits;
}

TEST(DryTest, TokenThatContinuesARepeatIsPenalised) {
  // "1 2 3 ... 1 2": 3 would make it a repeat of three.
  EXPECT_EQ(dried({1, 2, 3, 4, 1, 2}, {.dry_multiplier = 2}), (Floats{0, 0, 0, -2, 0, 0, 0, 0}));
}

TEST(DryTest, PenaltyGrowsWithTheRepeat) {
  const SamplerOptions options = {.dry_multiplier = 1, .dry_base = 3};
  EXPECT_EQ(dried({1, 2, 3, 4, 5, 0, 1, 2, 3, 4}, options)[5], -9.0f);  // 3^(4 - 2)
  EXPECT_EQ(dried({1, 2, 3, 4, 5, 0, 2, 3, 4}, options)[5], -3.0f);
}

TEST(DryTest, RepeatsUpToTheAllowedLengthAreFree) {
  EXPECT_EQ(dried({1, 2, 3, 2}, {.dry_multiplier = 2}), Floats(8));
  EXPECT_EQ(dried({1, 2, 3, 2}, {.dry_multiplier = 2, .dry_allowed_length = 1})[3], -2.0f);
  EXPECT_EQ(dried({1, 2, 3, 4, 1, 2}, {.dry_multiplier = 2, .dry_allowed_length = 3}), Floats(8));
}

TEST(DryTest, LongestOfSeveralRepeatsCounts) {
  // "2 3" is followed by 4 once after "1 2 3" and once after "7 2 3"; the text ends in "1 2 3".
  const SamplerOptions options = {.dry_multiplier = 1, .dry_base = 2};
  EXPECT_EQ(dried({1, 2, 3, 4, 7, 2, 3, 4, 0, 1, 2, 3}, options)[4], -2.0f);
}

TEST(DryTest, BreakerEndsARepeat) {
  const Ids history = {1, 2, 3, 4, 1, 2, 3};
  SamplerOptions options = {.dry_multiplier = 1};
  EXPECT_LT(dried(history, options)[4], 0.0f);
  options.dry_breakers = {2};  // leaves "3", one token
  EXPECT_EQ(dried(history, options), Floats(8));
  options.dry_breakers = {3};  // the text ends in a breaker
  EXPECT_EQ(dried(history, options), Floats(8));
  options.dry_breakers = {1};  // leaves "2 3", which is enough
  EXPECT_LT(dried(history, options)[4], 0.0f);
}

TEST(DryTest, BreakerItselfIsNotPenalised) {
  EXPECT_EQ(dried({1, 2, 3, 1, 2}, {.dry_multiplier = 1, .dry_breakers = {3}}), Floats(8));
}

TEST(DryTest, WindowLooksAtTheLastTokensAlone) {
  const Ids history = {1, 2, 3, 4, 1, 2};
  EXPECT_LT(dried(history, {.dry_multiplier = 1, .dry_window = 6})[3], 0.0f);
  EXPECT_EQ(dried(history, {.dry_multiplier = 1, .dry_window = 5}), Floats(8));
}

TEST(DryTest, EndlessRepeatStaysFinite) {
  const Ids history(2'000, 1);
  EXPECT_EQ(dried(history, {.dry_multiplier = 1, .dry_base = 4})[1],
            std::numeric_limits<float>::lowest());
}

TEST(DryTest, NoHistoryNoPenalty) {
  EXPECT_EQ(dried({}, {.dry_multiplier = 1}), Floats(8));
  EXPECT_EQ(dried({}, {.dry_multiplier = 1, .dry_allowed_length = 0}), Floats(8));
  EXPECT_EQ(dried({1}, {.dry_multiplier = 1, .dry_allowed_length = 0}), Floats(8));
}

// The definition: for every earlier place, how far the tokens before it agree with the end.
Floats dried_by_definition(const Ids& history, const SamplerOptions& options) {
  const auto n = static_cast<int64_t>(history.size());
  const auto is_breaker = [&](int32_t id) {
    return std::count(options.dry_breakers.begin(), options.dry_breakers.end(), id) > 0;
  };
  std::vector<int64_t> longest(8, 0);
  for (int64_t next = 1; next < n; ++next) {
    int64_t length = 0;
    while (length < next) {
      const int32_t a = history[static_cast<size_t>(next - 1 - length)];
      const int32_t b = history[static_cast<size_t>(n - 1 - length)];
      if (a != b || is_breaker(a)) break;
      ++length;
    }
    int64_t& most = longest[static_cast<size_t>(history[static_cast<size_t>(next)])];
    most = std::max(most, length);
  }
  Floats logits(8, 0.0f);
  for (int32_t id = 0; id < 8; ++id) {
    const int64_t length = longest[static_cast<size_t>(id)];
    if (length < options.dry_allowed_length || length == 0 || is_breaker(id)) continue;
    double penalty = options.dry_multiplier;
    for (int64_t i = options.dry_allowed_length; i < length; ++i) penalty *= options.dry_base;
    logits[static_cast<size_t>(id)] = saturated(-penalty);
  }
  return logits;
}

TEST(DryTest, AgreesWithTheDefinition) {
  size_t penalised = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Ids history;
    const size_t n = 5 + seed % 40;
    for (size_t i = 0; i < n; ++i) {
      history.push_back(
          static_cast<int32_t>(uniforms(seed, i).token * static_cast<double>(2 + seed % 3)));
    }
    SamplerOptions options = {.dry_multiplier = 1,
                              .dry_base = 2,
                              .dry_allowed_length = 1 + static_cast<int64_t>(seed % 3)};
    if (seed % 2 == 1) options.dry_breakers = {1};
    const Floats expected = dried_by_definition(history, options);
    EXPECT_EQ(dried(history, options), expected) << seed;
    penalised += static_cast<size_t>(
        std::count_if(expected.begin(), expected.end(), [](float x) { return x < 0.0f; }));
  }
  EXPECT_GT(penalised, 200u);
}

}  // namespace
}  // namespace hadal::test
