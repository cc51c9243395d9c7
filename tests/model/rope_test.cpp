// Mirrors lib/model/rope: YaRN's frequencies, and the two corrections that others mixed up.
#include "lib/model/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/model/toys.hpp"

namespace hadal {
namespace {

ModelConfig deepseek_v3() {
  ModelConfig config;
  config.qk_nope_head_dim = 128;
  config.qk_rope_head_dim = 64;
  config.rope_scaling = YarnScaling{};
  return config;
}

// Traps A1, A3, A4: the rows of the reference table.
TEST(RopeTest, SoftmaxScaleOfTheWholeFamily) {
  struct Row {
    double factor, mscale_all_dim, scale;
  };
  for (const Row& row : {Row{40, 1.0, 0.1352337789}, Row{40, 0.707, 0.1147213868},
                         Row{32, 1.0, 0.1308608000}, Row{64, 1.0, 0.1446796258}}) {
    ModelConfig config = deepseek_v3();
    config.rope_scaling->factor = row.factor;
    config.rope_scaling->mscale_all_dim = row.mscale_all_dim;
    EXPECT_NEAR(Rope(config).softmax_scale(), row.scale, 1e-8);
  }
  ModelConfig plain = deepseek_v3();
  plain.rope_scaling.reset();
  EXPECT_NEAR(Rope(plain).softmax_scale(), 0.0721687836, 1e-8);
}

// Trap A2: the logits follow mscale_all_dim, cos and sin the ratio of both.
TEST(RopeTest, MscaleAndMscaleAllDimHaveTheirOwnRoles) {
  ModelConfig config = deepseek_v3();
  config.rope_scaling->mscale = 0.707;
  config.rope_scaling->mscale_all_dim = 1.0;
  const Rope rope(config);
  EXPECT_NEAR(rope.softmax_scale(), 0.1352337789, 1e-8);
  EXPECT_NEAR(rope.magnitude(), 1.2608037774 / 1.3688879454, 1e-9);
}

// Trap A5.
TEST(RopeTest, RotationKeepsTheLengthOfAVectorFarOut) {
  ModelConfig config = deepseek_v3();
  config.rope_scaling->mscale = config.rope_scaling->mscale_all_dim = 0.707;
  const Rope rope(config);
  std::vector<float> cos_sin(64);
  const int32_t position = 5000;
  rope.fill({&position, 1}, cos_sin.data());
  for (size_t i = 0; i < cos_sin.size(); i += 2) {
    EXPECT_NEAR(std::hypot(static_cast<double>(cos_sin[i]), static_cast<double>(cos_sin[i + 1])),
                1.0, 1e-6);
  }
}

TEST(RopeTest, YarnFrequenciesOfV3) {
  const std::vector<double> f = Rope(deepseek_v3()).frequencies();
  ASSERT_EQ(f.size(), 32u);
  const std::pair<size_t, double> wanted[] = {{0, 1.0},
                                              {10, 5.623413252e-02},
                                              {11, 3.900692657e-02},
                                              {16, 5.5e-03},
                                              {22, 1.778279410e-04},
                                              {23, 3.333803580e-05},
                                              {31, 3.333803580e-06}};
  for (const auto& [i, value] : wanted) EXPECT_NEAR(f[i] / value, 1.0, 1e-8) << i;
}

// Trap A18, F5: Kimi-K2's betas are 1 and 1, which makes a hard switch.
TEST(RopeTest, YarnFrequenciesOfKimiK2SwitchHard) {
  ModelConfig config = deepseek_v3();
  config.rope_theta = 50000;
  config.rope_scaling->factor = 32;
  config.rope_scaling->beta_fast = config.rope_scaling->beta_slow = 1;
  const std::vector<double> f = Rope(config).frequencies();
  EXPECT_NEAR(f[19] / std::pow(50000.0, -38.0 / 64), 1.0, 1e-12);
  EXPECT_NEAR(f[20] / 3.614047e-05, 1.0, 1e-6);
}

// Trap A9: the table is good to float's last bit at the end of the context.
TEST(RopeTest, AnglesAreExactAtTheLastPosition) {
  const Rope rope(deepseek_v3());
  const int32_t position = 163839;
  std::vector<float> cos_sin(64);
  rope.fill({&position, 1}, cos_sin.data());
  for (size_t i = 0; i < 32; ++i) {
    const long double angle =
        static_cast<long double>(position) * static_cast<long double>(rope.frequencies()[i]);
    EXPECT_NEAR(static_cast<double>(cos_sin[2 * i]), static_cast<double>(std::cos(angle)), 1e-7);
    EXPECT_NEAR(static_cast<double>(cos_sin[2 * i + 1]), static_cast<double>(std::sin(angle)),
                1e-7);
  }
}

TEST(RopeTest, ToysAgreeWithTheirGolden) {
  for (const test::Toy& toy : test::all_toys()) {
    SCOPED_TRACE(toy.file);
    const auto model = test::load(HADAL_TEST_DATA "/golden/toys/" + toy.file);
    ASSERT_NE(model, nullptr);
    const Json golden = test::read_golden("toys/" + toy.golden);
    EXPECT_NEAR(model->rope().softmax_scale(), golden["softmax_scale"].get<double>(), 1e-7);
    EXPECT_NEAR(model->rope().magnitude(), golden["rope_magnitude"].get<double>(), 1e-6);
    const auto wanted = golden["rope_frequencies"].get<std::vector<double>>();
    ASSERT_EQ(wanted.size(), model->rope().frequencies().size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(model->rope().frequencies()[i] / wanted[i], 1.0, 1e-6) << i;
    }
  }
}

}  // namespace
}  // namespace hadal
