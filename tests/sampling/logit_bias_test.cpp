// Mirrors lib/sampling/logit_bias.
#include <gtest/gtest.h>

#include <limits>

#include "tests/sampling/sampling_fixture.hpp"

namespace hadal::test {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
using Bias = std::vector<std::pair<int32_t, double>>;

TEST(LogitBiasTest, AddsToTheNamedLogitsAlone) {
  Floats logits = {1, 2, 3};
  add_logit_bias(logits, Bias{{0, 0.5}, {2, -4}});
  EXPECT_EQ(logits, (Floats{1.5, 2, -1}));
}

TEST(LogitBiasTest, MinusInfinityBans) {
  Floats logits = {1, 2};
  add_logit_bias(logits, Bias{{1, -std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(logits, (Floats{1, kNever}));
}

TEST(LogitBiasTest, DoesNotBringBackWhatMayNotBeChosen) {
  Floats logits = {1, kNever};
  add_logit_bias(logits, Bias{{1, 1000}});
  EXPECT_EQ(logits, (Floats{1, kNever}));
}

TEST(LogitBiasTest, IdsBeyondTheLogitsHaveNoEffect) {
  Floats logits = {1, 2};
  add_logit_bias(logits, Bias{{2, 5}, {2'000'000'000, 5}, {-1, 5}});
  EXPECT_EQ(logits, (Floats{1, 2}));
}

TEST(LogitBiasTest, HugeBiasStaysFinite) {
  Floats logits = {1, 2};
  add_logit_bias(logits, Bias{{0, 1e300}, {1, -1e300}});
  EXPECT_EQ(logits,
            (Floats{std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest()}));
}

}  // namespace
}  // namespace hadal::test
