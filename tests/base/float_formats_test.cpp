// The small floats: every code of every format, and rounding against exact arithmetic.
#include "lib/base/float_formats.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace hadal {
namespace {

// A code's value, from the definition of such formats: sign, exponent, mantissa; in double, exact.
double value_of(uint32_t code, int exponent_bits, int mantissa_bits, bool has_infinity) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t mantissa = code & ((1u << mantissa_bits) - 1);
  const int exponent = static_cast<int>((code >> mantissa_bits) & ((1u << exponent_bits) - 1));
  const double sign = (code >> (exponent_bits + mantissa_bits)) != 0 ? -1.0 : 1.0;
  if (has_infinity && exponent == (1 << exponent_bits) - 1) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  const double fraction = std::ldexp(static_cast<double>(mantissa), -mantissa_bits);
  return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias)
                       : sign * std::ldexp(1.0 + fraction, exponent - bias);
}

void expect_same(float found, double wanted, uint32_t code) {
  if (std::isnan(wanted)) {
    EXPECT_TRUE(std::isnan(found)) << code;
    return;
  }
  EXPECT_EQ(static_cast<double>(found), wanted) << code;
  EXPECT_EQ(std::signbit(found), std::signbit(wanted)) << code;
}

TEST(FloatFormatsTest, DecodesEveryF16Code) {
  for (uint32_t code = 0; code < 65536; ++code) {
    expect_same(float_from_f16(static_cast<uint16_t>(code)), value_of(code, 5, 10, true), code);
  }
}

TEST(FloatFormatsTest, DecodesEveryBf16Code) {
  for (uint32_t code = 0; code < 65536; ++code) {
    expect_same(float_from_bf16(static_cast<uint16_t>(code)), value_of(code, 8, 7, true), code);
  }
}

TEST(FloatFormatsTest, DecodesEveryE4m3Code) {
  for (uint32_t code = 0; code < 256; ++code) {
    const double wanted = (code & 0x7f) == 0x7f ? std::numeric_limits<double>::quiet_NaN()
                                                : value_of(code, 4, 3, false);
    expect_same(float_from_e4m3(static_cast<uint8_t>(code)), wanted, code);
  }
  EXPECT_EQ(float_from_e4m3(0x7e), 448.0f);
}

TEST(FloatFormatsTest, EveryCodeSurvivesTheWayThroughFloat) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const auto c = static_cast<uint16_t>(code);
    if (!std::isnan(float_from_f16(c))) {
      EXPECT_EQ(f16_from_float(float_from_f16(c)), c);
    }
    if (!std::isnan(float_from_bf16(c))) {
      EXPECT_EQ(bf16_from_float(float_from_bf16(c)), c);
    }
  }
}

// Around every boundary between two neighbouring codes: halfway goes to the even one, a float less
// or more to the nearer one.
template <class Encode>
void expect_rounds_to_nearest_even(uint32_t n_finite, int exponent_bits, int mantissa_bits,
                                   Encode encode) {
  for (uint32_t code = 0; code + 1 < n_finite; ++code) {
    const double low = value_of(code, exponent_bits, mantissa_bits, true);
    const double high = value_of(code + 1, exponent_bits, mantissa_bits, true);
    const auto halfway = static_cast<float>((low + high) / 2);
    if (static_cast<double>(halfway) != (low + high) / 2) continue;  // float is too coarse here
    const uint32_t even = code % 2 == 0 ? code : code + 1;
    EXPECT_EQ(encode(halfway), even) << code;
    const float below = std::nextafter(halfway, 0.0f);
    const float above = std::nextafter(halfway, std::numeric_limits<float>::infinity());
    EXPECT_EQ(encode(below), code);
    EXPECT_EQ(encode(above), code + 1);
    const uint32_t sign = 1u << (exponent_bits + mantissa_bits);
    EXPECT_EQ(encode(-halfway), even | sign);
  }
}

TEST(FloatFormatsTest, RoundsToNearestEvenInF16) {
  expect_rounds_to_nearest_even(0x7c00, 5, 10, [](float x) { return uint32_t{f16_from_float(x)}; });
}

TEST(FloatFormatsTest, RoundsToNearestEvenInBf16) {
  expect_rounds_to_nearest_even(0x7f80, 8, 7, [](float x) { return uint32_t{bf16_from_float(x)}; });
}

TEST(FloatFormatsTest, OverflowsToInfinityWhereTheNextValueWouldBe) {
  EXPECT_EQ(f16_from_float(65504.0f), 0x7bff);
  EXPECT_EQ(f16_from_float(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(f16_from_float(65520.0f), 0x7c00);
  EXPECT_EQ(f16_from_float(-1e30f), 0xfc00);
  const float largest = std::numeric_limits<float>::max();
  EXPECT_EQ(bf16_from_float(largest), 0x7f80);
  EXPECT_EQ(bf16_from_float(std::numeric_limits<float>::infinity()), 0x7f80);
  EXPECT_EQ(f16_from_float(-std::numeric_limits<float>::infinity()), 0xfc00);
}

TEST(FloatFormatsTest, KeepsNanNan) {
  for (const uint32_t bits : {0x7fc00000u, 0x7f800001u, 0xffc00000u, 0x7fffffffu, 0xff800001u}) {
    const float nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(float_from_f16(f16_from_float(nan)))) << bits;
    EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(nan)))) << bits;
  }
}

}  // namespace
}  // namespace hadal
