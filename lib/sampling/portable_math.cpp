// exp by halving the range to |r| <= ln(2) / 2 and a polynomial; log by the series of atanh. This
// room is compiled with -ffp-contract=off: a fused multiply-add rounds once where two operations
// round twice, and not every machine has one.
#include "lib/sampling/portable_math.hpp"

#include <bit>
#include <cfloat>
#include <cstdint>
#include <limits>

namespace hadal {
namespace {

#if defined(__FAST_MATH__)
#error "hadal's draws need IEEE arithmetic: build without -ffast-math"
#endif
static_assert(FLT_EVAL_METHOD == 0, "hadal's draws need doubles that are not computed wider");
static_assert(std::numeric_limits<double>::is_iec559);

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ln(2) in two parts; the first has 21 trailing zero bits, so that k * kLn2High is exact for every
// exponent k.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kLog2E = 0x1.71547652b82fep+0;

constexpr double kLeast = -708.0, kMost = 709.0;  // what portable_exp answers with a normal double

// For |x| <= 709; free of branches, so that compilers can do several at once.
inline double exp_in_range(double x) {
  // Adding 1.5 * 2^52 leaves no bits behind the point: the sum is rounded to a whole number, which
  // stands in its lowest bits.
  constexpr double kRounder = 0x1.8p52;
  const double rounded = x * kLog2E + kRounder;
  const double k = rounded - kRounder;
  const double r = (x - k * kLn2High) - k * kLn2Low;

  // e^r = 1 + r + r^2 (1/2 + r/6 + ... + r^11/13!), the sum in pairs (Estrin), which keeps a
  // processor busier than one long chain.
  const double r2 = r * r;
  const double r4 = r2 * r2;
  const double c2 = 1.0 / 2 + r * (1.0 / 6);
  const double c4 = 1.0 / 24 + r * (1.0 / 120);
  const double c6 = 1.0 / 720 + r * (1.0 / 5040);
  const double c8 = 1.0 / 40320 + r * (1.0 / 362880);
  const double c10 = 1.0 / 3628800 + r * (1.0 / 39916800);
  const double c12 = 1.0 / 479001600 + r * (1.0 / 6227020800);
  const double sum = (c2 + r2 * c4) + r4 * ((c6 + r2 * c8) + r4 * (c10 + r2 * c12));
  const double power = 1.0 + (r + r2 * sum);

  // 2^k: the lowest bits of `rounded`, moved to the place of the exponent.
  const uint64_t exponent = std::bit_cast<uint64_t>(rounded) + 1023;
  return power * std::bit_cast<double>(exponent << 52);
}

}  // namespace

double portable_exp(double x) {
  if (!(x >= kLeast)) return 0.0;
  return x <= kMost ? exp_in_range(x) : kInfinity;
}

void portable_exp(std::span<double> x) {
  for (double& value : x) {
    const double clamped = value < kLeast ? kLeast : value > kMost ? kMost : value;
    const double power = exp_in_range(clamped);
    value = value < kLeast ? 0.0 : value > kMost ? kInfinity : power;
  }
}

double portable_log(double x) {
  if (!(x >= DBL_MIN)) return -kInfinity;
  if (x == kInfinity) return kInfinity;

  // x = 2^exponent * m with m in [sqrt(1/2), sqrt(2)), so that 1 is in the middle and its
  // logarithm exact.
  const auto bits = std::bit_cast<uint64_t>(x);
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const uint64_t shifted = bits - kSqrtHalf + (uint64_t{1023} << 52);
  const auto exponent = static_cast<int64_t>(shifted >> 52) - 1023;
  const auto m = std::bit_cast<double>(bits - (static_cast<uint64_t>(exponent) << 52));

  // log(1 + f) = 2 atanh(s), s = f / (2 + f), |s| <= 0.1716. Written as f - s (f - series), which
  // keeps the leading part f exact.
  const double f = m - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s;
  double series = 1.0 / 23;
  for (const double c : {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9,
                         1.0 / 7, 1.0 / 5, 1.0 / 3}) {
    series = c + z * series;
  }
  const double tail = 2.0 * z * series;
  const auto k = static_cast<double>(exponent);
  return k * kLn2High - ((s * (f - tail) - k * kLn2Low) - f);
}

}  // namespace hadal
