// Integers out of files: against exact arithmetic around every place where 64 bits end.
#include "lib/base/checked.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace hadal {
namespace {

__extension__ typedef unsigned __int128 Wide;

std::vector<uint64_t> telling_values() {
  std::vector<uint64_t> values;
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    values.insert(values.end(), {power - 1, power, power + 1, ~power});
  }
  values.insert(values.end(), {UINT64_MAX, UINT64_MAX / 3, UINT64_MAX / 5 + 1, 3037000500u});
  return values;
}

void expect_is(Checked found, Wide wanted) {
  const bool fits = wanted <= UINT64_MAX;
  EXPECT_EQ(found.at_most(UINT64_MAX).has_value(), fits);
  EXPECT_EQ(found.at_most(UINT64_MAX).value_or(0), fits ? static_cast<uint64_t>(wanted) : 0);
}

TEST(CheckedTest, AddsAndMultipliesAsExactArithmeticDoes) {
  for (const uint64_t a : telling_values()) {
    for (const uint64_t b : telling_values()) {
      expect_is(Checked(a) + b, Wide{a} + b);
      expect_is(Checked(a) * b, Wide{a} * b);
      expect_is(Checked(a) + Checked(b), Wide{a} + b);
      expect_is(Checked(a) * Checked(b), Wide{a} * b);
    }
  }
}

TEST(CheckedTest, RoundsUpAsExactArithmeticDoes) {
  for (const uint64_t a : telling_values()) {
    for (const uint64_t step : {uint64_t{1}, uint64_t{3}, uint64_t{32}, uint64_t{1} << 31,
                                uint64_t{1} << 63, uint64_t{UINT64_MAX}}) {
      expect_is(Checked(a).rounded_up(step), (Wide{a} + step - 1) / step * step);
    }
  }
}

TEST(CheckedTest, StaysOverflowedWhateverHappensNext) {
  const Checked lost = Checked(UINT64_MAX) + 1;
  EXPECT_FALSE((lost * 0).at_most(UINT64_MAX).has_value());
  EXPECT_FALSE((lost + 0).at_most(UINT64_MAX).has_value());
  EXPECT_FALSE((Checked(0) * lost).at_most(UINT64_MAX).has_value());
  EXPECT_FALSE(lost.rounded_up(8).at_most(UINT64_MAX).has_value());
}

TEST(CheckedTest, GivesItsValueOnlyWithinALimit) {
  EXPECT_EQ(Checked(7).at_most(7), 7u);
  EXPECT_EQ(Checked(7).at_most(6), std::nullopt);
  EXPECT_EQ(Checked(0).at_most(0), 0u);
}

}  // namespace
}  // namespace hadal
