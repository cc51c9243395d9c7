// Mirrors lib/sampling/random.
#include "lib/sampling/random.hpp"

#include <gtest/gtest.h>

namespace hadal {
namespace {

using Words = std::array<uint32_t, 4>;

// The known-answer vectors published with Random123.
TEST(RandomTest, PhiloxGivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32_10({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomTest, UniformsAreTheUpperBitsOfTheWords) {
  const Uniforms u = uniforms(0, 0);
  EXPECT_EQ(u.token, static_cast<double>(0x6627e8d5e169c58dull >> 11) / 9007199254740992.0);
  EXPECT_EQ(u.xtc, static_cast<double>(0xbc57ac4c9b00dbd8ull >> 11) / 9007199254740992.0);
}

TEST(RandomTest, EveryBitOfSeedAndDrawMatters) {
  const double first = uniforms(7, 7).token;
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_NE(uniforms(7 ^ uint64_t{1} << bit, 7).token, first) << bit;
    EXPECT_NE(uniforms(7, 7 ^ uint64_t{1} << bit).token, first) << bit;
  }
}

TEST(RandomTest, UniformsFillTheIntervalEvenly) {
  constexpr int kDraws = 100'000, kBins = 100;
  std::array<int, kBins> token{}, xtc{};
  for (uint64_t draw = 0; draw < kDraws; ++draw) {
    const Uniforms u = uniforms(123, draw);
    ASSERT_GE(u.token, 0.0);
    ASSERT_LT(u.token, 1.0);
    ++token[static_cast<size_t>(u.token * kBins)];
    ++xtc[static_cast<size_t>(u.xtc * kBins)];
  }
  double chi_token = 0.0, chi_xtc = 0.0;
  for (size_t i = 0; i < kBins; ++i) {
    const double expected = double{kDraws} / kBins;
    chi_token += (token[i] - expected) * (token[i] - expected) / expected;
    chi_xtc += (xtc[i] - expected) * (xtc[i] - expected) / expected;
  }
  EXPECT_LT(chi_token, 149.4);  // 99 degrees of freedom: passed by chance once in 1,000
  EXPECT_LT(chi_xtc, 149.4);
}

}  // namespace
}  // namespace hadal
