// Mirrors lib/sampling/portable_math: the errors that its header states, and fixed bits.
#include "lib/sampling/portable_math.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace hadal {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// In units of the last place of the exact result.
double error_in_ulps(double actual, long double exact) {
  const double near = static_cast<double>(exact);
  const double ulp = std::nextafter(std::fabs(near), kInfinity) - std::fabs(near);
  return static_cast<double>(std::fabs(static_cast<long double>(actual) - exact) /
                             static_cast<long double>(ulp));
}

TEST(PortableMathTest, ExpIsWithinOneUlp) {
  double worst = 0.0;
  for (int i = 0; i < 400'000; ++i) {
    const double x = -708.0 + 1416.0 * (i + 0.37) / 400'000;
    worst = std::max(worst, error_in_ulps(portable_exp(x), std::exp(static_cast<long double>(x))));
  }
  for (int i = 0; i < 200'000; ++i) {
    const double x = -2.0 + 4.0 * (i + 0.37) / 200'000;
    worst = std::max(worst, error_in_ulps(portable_exp(x), std::exp(static_cast<long double>(x))));
  }
  RecordProperty("worst_ulps_times_1000", static_cast<int>(worst * 1000));
  EXPECT_LT(worst, 1.0);
  EXPECT_GT(worst, 0.3);  // else this test measures nothing
}

TEST(PortableMathTest, LogIsWithinOneUlp) {
  double worst = 0.0;
  for (int i = 0; i < 200'000; ++i) {
    const double x = std::exp2(-1021.0 + 2044.0 * (i + 0.37) / 200'000);
    worst = std::max(worst, error_in_ulps(portable_log(x), std::log(static_cast<long double>(x))));
  }
  for (int i = 0; i < 400'000; ++i) {  // around 1 the result is small, and its error still is
    const double x = 0.5 + 1.6 * (i + 0.37) / 400'000;
    worst = std::max(worst, error_in_ulps(portable_log(x), std::log(static_cast<long double>(x))));
  }
  RecordProperty("worst_ulps_times_1000", static_cast<int>(worst * 1000));
  EXPECT_LT(worst, 1.0);
  EXPECT_GT(worst, 0.3);
}

TEST(PortableMathTest, KnowsTheEndsOfItsRange) {
  EXPECT_EQ(portable_exp(0.0), 1.0);
  EXPECT_EQ(portable_exp(-0.0), 1.0);
  EXPECT_EQ(portable_exp(-kInfinity), 0.0);
  EXPECT_EQ(portable_exp(-708.0000001), 0.0);
  EXPECT_GE(portable_exp(-708.0), DBL_MIN);
  EXPECT_TRUE(std::isfinite(portable_exp(709.0)));
  EXPECT_EQ(portable_exp(709.0000001), kInfinity);
  EXPECT_EQ(portable_exp(kInfinity), kInfinity);

  EXPECT_EQ(portable_log(1.0), 0.0);
  EXPECT_EQ(portable_log(0.0), -kInfinity);
  EXPECT_EQ(portable_log(DBL_TRUE_MIN), -kInfinity);
  EXPECT_TRUE(std::isfinite(portable_log(DBL_MIN)));
  EXPECT_TRUE(std::isfinite(portable_log(DBL_MAX)));
  EXPECT_EQ(portable_log(kInfinity), kInfinity);
}

// One sum over the bits of many results: a machine, compiler or flag that rounds anything another
// way gets another number.
TEST(PortableMathTest, BitsAreTheSameOnEveryMachine) {
  uint64_t exps = 0, logs = 0;
  for (int i = 0; i < 100'000; ++i) {
    exps = exps * 31 + std::bit_cast<uint64_t>(portable_exp(700.0 - i * 0x1p-6));
    logs = logs * 31 + std::bit_cast<uint64_t>(portable_log(0x1p-9 + i * 0x1p-6));
  }
  EXPECT_EQ(exps, 4683754777933326491u);
  EXPECT_EQ(logs, 180689119874948140u);
}

TEST(PortableMathTest, ArraysGiveTheSameAsSingleNumbers) {
  std::vector<double> x = {kInfinity, -kInfinity, 709.5, 0.0};
  for (int i = -1'001; i < 1'001; ++i) x.push_back(i * 0.731);
  std::vector<double> y = x;
  portable_exp(y);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], portable_exp(x[i]));
}

}  // namespace
}  // namespace hadal
