// Mirrors backends/onednn/primitive_cache: products are made once, kept, and right after they have
// been dropped and made anew.
#include "backends/onednn/primitive_cache.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "backends/cpu/cpu_features.hpp"
#include "backends/onednn/crossover.hpp"
#include "lib/base/memory.hpp"

namespace hadal::onednn {
namespace {

constexpr int64_t kMost = 300, kIn = 24, kOut = 40;

class PrimitiveCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!is_of_use(cpu::features_of_this_machine())) GTEST_SKIP() << "no AVX512_BF16 here";
    scratch_ =
        *Memory::create(nullptr, 0)->allocate(cache_.most_scratch_bytes(), MemoryTag::kScratch);
    for (size_t i = 0; i < x_.size(); ++i) x_[i] = static_cast<float>(i % 7) - 3.0f;
    for (size_t i = 0; i < w_.size(); ++i) w_[i] = static_cast<float>(i % 5) - 2.0f;
  }

  static ProductShape shape(int64_t m) {
    return {Type::f32, Type::f32, m, kOut, kIn, kIn, kIn, kOut};
  }

  // Small whole numbers: every order of a sum gives the same.
  void expect_right(int64_t m) {
    std::vector<float> out(static_cast<size_t>(m * kOut), std::nanf(""));
    cache_.multiply(shape(m), x_.data(), w_.data(), out.data(), scratch_.data());
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t o = 0; o < kOut; ++o) {
        float sum = 0.0f;
        for (int64_t i = 0; i < kIn; ++i)
          sum += x_[static_cast<size_t>(r * kIn + i)] * w_[static_cast<size_t>(o * kIn + i)];
        ASSERT_EQ(out[static_cast<size_t>(r * kOut + o)], sum) << m << " rows, row " << r;
      }
    }
  }

  PrimitiveCache cache_{caller_only(), false};
  Block scratch_;
  std::vector<float> x_ = std::vector<float>(kMost * kIn);
  std::vector<float> w_ = std::vector<float>(kOut * kIn);
};

TEST_F(PrimitiveCacheTest, WhatWasMadeOnceIsUsedAgain) {
  EXPECT_TRUE(cache_.has_fast(shape(0)));
  for (const int64_t m : {2, 5, 64}) expect_right(m);
  const size_t n_made = cache_.n_made();
  EXPECT_GE(n_made, 3u);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(cache_.has_fast(shape(0)));
    for (const int64_t m : {2, 5, 64}) expect_right(m);
  }
  EXPECT_EQ(cache_.n_made(), n_made) << "a pass like the one before makes nothing";
}

TEST_F(PrimitiveCacheTest, MoreShapesThanAreKeptAreMadeAnew) {
  ASSERT_TRUE(cache_.has_fast(shape(0)));
  for (int64_t m = 2; m < kMost; ++m) expect_right(m);
  const size_t n_made = cache_.n_made();
  expect_right(kMost - 1);
  EXPECT_EQ(cache_.n_made(), n_made) << "the last is still there";
  expect_right(3);
  EXPECT_EQ(cache_.n_made(), n_made + 1) << "one of the first is not";
}

TEST_F(PrimitiveCacheTest, ASingleRowIsNotItsBusiness) {
  ASSERT_TRUE(cache_.has_fast(shape(0)));
  std::vector<float> out(kOut);
  EXPECT_THROW(cache_.multiply(shape(1), x_.data(), w_.data(), out.data(), scratch_.data()),
               InternalError);
}

TEST_F(PrimitiveCacheTest, ATypeThatItHasNoCodeForIsNotFast) {
  ProductShape odd = shape(0);
  odd.x = Type::s32;
  odd.w = Type::bf16;
  EXPECT_FALSE(cache_.has_fast(odd));
}

}  // namespace
}  // namespace hadal::onednn
