// encode_row: errors against those of ggml's encoders, which are on record; what must come back
// exactly; rows that break careless arithmetic; the same bytes wherever and however it is asked.
#include "lib/tensor/block_encoders.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "lib/base/float_formats.hpp"
#include "lib/tensor/block_formats.hpp"
#include "tests/tensor/encoder_rows.hpp"

namespace hadal {
namespace {

using Floats = std::vector<float>;
using Bytes = std::vector<std::byte>;

constexpr DType kBlockTypes[] = {DType::kQ4_0, DType::kQ4_1,   DType::kQ5_0, DType::kQ5_1,
                                 DType::kQ8_0, DType::kIQ4_NL, DType::kQ2_K, DType::kQ3_K,
                                 DType::kQ4_K, DType::kQ5_K,   DType::kQ6_K, DType::kIQ4_XS};
constexpr DType kSimpleTypes[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                                  DType::kQ5_1, DType::kQ8_0, DType::kIQ4_NL};

Bytes encoded(DType dtype, const Floats& row, const Floats& importance = {}) {
  Bytes bytes(static_cast<size_t>(row_bytes(dtype, static_cast<int64_t>(row.size()))));
  encode_row(dtype, row.data(), static_cast<int64_t>(row.size()),
             importance.empty() ? nullptr : importance.data(), bytes.data());
  return bytes;
}

Floats decoded(DType dtype, const Bytes& bytes) {
  const DTypeInfo& format = info(dtype);
  Floats row(bytes.size() / static_cast<size_t>(format.block_bytes) *
             static_cast<size_t>(format.block_elements));
  decode_row(dtype, bytes.data(), static_cast<int64_t>(row.size()), row.data());
  return row;
}

Floats there_and_back(DType dtype, const Floats& row, const Floats& importance = {}) {
  return decoded(dtype, encoded(dtype, row, importance));
}

double error(DType dtype, const Floats& row, const Floats& importance,
             const Floats& weights_of_error) {
  return test::squared_error(row, there_and_back(dtype, row, importance), weights_of_error);
}

TEST(BlockEncodersTest, EncodesTheseTypesAndNoOthers) {
  std::set<DType> expected(std::begin(kBlockTypes), std::end(kBlockTypes));
  expected.insert({DType::kF32, DType::kF16, DType::kBF16});
  for (int t = 0; t < kDTypeCount; ++t) {
    const auto dtype = static_cast<DType>(t);
    EXPECT_EQ(can_encode(dtype), expected.contains(dtype)) << name(dtype);
  }
}

// The promise of the encoders. The rows are those that the numbers were recorded with.
TEST(BlockEncodersTest, ErrsNoMoreThanGgml) {
  std::ifstream in(HADAL_TEST_DATA "/golden/ggml-encode-errors.json");
  const auto golden = nlohmann::json::parse(in);
  const Floats importance = test::random_importance(1), none;
  EXPECT_EQ(golden.size(), std::size(kBlockTypes));
  for (const DType dtype : kBlockTypes)
    for (const test::Shape shape : test::kShapes) {
      SCOPED_TRACE(std::string(name(dtype)) + ", " + test::shape_name(shape));
      double plain = 0.0, weighted = 0.0, squares = 0.0, weighted_squares = 0.0;
      for (uint64_t seed = 1; seed <= test::kRecordedRows; ++seed) {
        const Floats row = test::random_row(shape, seed), zeros(row.size(), 0.0f);
        plain += error(dtype, row, none, none);
        weighted += error(dtype, row, importance, importance);
        squares += test::squared_error(row, zeros, none);
        weighted_squares += test::squared_error(row, zeros, importance);
      }
      const auto& recorded = golden.at(name(dtype)).at(test::shape_name(shape));
      // q8_0 is encoded as ggml does it; the numbers have six digits.
      const double allowed = dtype == DType::kQ8_0 ? 1.00001 : 0.985;
      EXPECT_LE(plain / squares, allowed * recorded.at(0).get<double>());
      EXPECT_LE(weighted / weighted_squares, allowed * recorded.at(1).get<double>());
      EXPECT_GT(plain / squares, 0.5 * recorded.at(0).get<double>()) << "too good to be true";
    }
}

TEST(BlockEncodersTest, ImportanceHelpsWhereItLies) {
  const Floats importance = test::random_importance(2);
  for (const DType dtype : kBlockTypes) {
    if (dtype == DType::kQ8_0) continue;  // takes no notice
    SCOPED_TRACE(name(dtype));
    double with = 0.0, without = 0.0;
    for (const test::Shape shape : test::kShapes)
      for (uint64_t seed = 100; seed < 108; ++seed) {
        const Floats row = test::random_row(shape, seed);
        with += error(dtype, row, importance, importance);
        without += error(dtype, row, {}, importance);
      }
    EXPECT_LT(with, 0.97 * without);
  }
}

TEST(BlockEncodersTest, ImportanceIsRelative) {
  const Floats row = test::random_row(test::Shape::kStudent4, 3);
  const Floats importance = test::random_importance(3);
  const Floats zeros(row.size(), 0.0f), ones(row.size(), 1.0f);
  for (const DType dtype : kBlockTypes) {
    SCOPED_TRACE(name(dtype));
    const Bytes expected = encoded(dtype, row, importance);
    for (const float factor : {0x1p-100f, 0x1p-10f, 0x1p90f}) {
      Floats scaled = importance;
      for (float& w : scaled) w *= factor;
      EXPECT_EQ(encoded(dtype, row, scaled), expected) << factor;
    }
    // Nothing is important: as if everything were, alike.
    EXPECT_EQ(encoded(dtype, row, zeros), encoded(dtype, row, ones));
  }
}

TEST(BlockEncodersTest, BlocksWithoutImportanceAreEncodedAsIfAllWereAlike) {
  const Floats row = test::random_row(test::Shape::kGaussian, 4);
  Floats importance = test::random_importance(4);
  std::fill(importance.begin() + 256, importance.begin() + 512, 0.0f);
  for (const DType dtype : kBlockTypes) {
    SCOPED_TRACE(name(dtype));
    const Floats mixed = there_and_back(dtype, row, importance);
    const Floats alike = there_and_back(dtype, row, Floats(row.size(), 4.0f));
    EXPECT_TRUE(std::equal(mixed.begin() + 256, mixed.begin() + 512, alike.begin() + 256));
  }
}

// Half of each group unimportant, not even looked at by what the row is multiplied with: it must
// not become anything at all for that.
TEST(BlockEncodersTest, ElementsWithoutImportanceAreStillEncoded) {
  const Floats row = test::random_row(test::Shape::kGaussian, 5);
  Floats importance(row.size(), 1.0f);
  for (size_t i = 0; i < row.size(); i += 2) importance[i] = 0.0f;
  for (const DType dtype : kBlockTypes) {
    SCOPED_TRACE(name(dtype));
    const Floats back = there_and_back(dtype, row, importance);
    double squares = 0.0, errors = 0.0;
    for (size_t i = 0; i < row.size(); i += 2) {
      squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
      errors += std::pow(static_cast<double>(row[i] - back[i]), 2.0);
    }
    EXPECT_LT(errors, 0.35 * squares);
  }
}

// Blocks whose levels go from end to end, as encoders make them.
TEST(BlockEncodersTest, WhatIsEncodedAlreadyComesBackExactly) {
  test::Draws draws(6);
  for (const DType dtype : kSimpleTypes) {
    SCOPED_TRACE(name(dtype));
    const auto block_bytes = static_cast<size_t>(info(dtype).block_bytes);
    const bool has_minimum = dtype == DType::kQ4_1 || dtype == DType::kQ5_1;
    for (int round = 0; round < 50; ++round) {
      Bytes bytes(9 * block_bytes);
      for (std::byte& b : bytes) b = static_cast<std::byte>(draws.uniform() * 256.0);
      for (size_t block = 0; block < 9; ++block) {
        std::byte* at = bytes.data() + block * block_bytes;
        const auto put = [&](double value) {
          const uint16_t bits = f16_from_float(static_cast<float>(value));
          *at++ = static_cast<std::byte>(bits & 255);
          *at++ = static_cast<std::byte>(bits >> 8);
        };
        const double d = (draws.uniform() + 0.1) * (draws.uniform() < 0.5 && !has_minimum ? -1 : 1);
        put(d);
        if (has_minimum) put(-20.0 * d * draws.uniform());
        if (dtype == DType::kQ8_0) {
          at[0] = std::byte{0x81};
          for (size_t i = 0; i < 32; ++i)
            if (at[i] == std::byte{0x80}) at[i] = std::byte{0x7f};
          continue;
        }
        // Element 0 gets the lowest level, element 1 the highest.
        if (dtype == DType::kQ5_0 || dtype == DType::kQ5_1) {
          *at = (*at & std::byte{0xfc}) | std::byte{0x02};
          at += 4;
        }
        at[0] &= std::byte{0xf0};
        at[1] |= std::byte{0x0f};
      }
      const Floats row = decoded(dtype, bytes);
      ASSERT_EQ(there_and_back(dtype, row), row);
      // Whatever is important.
      ASSERT_EQ(there_and_back(dtype, row, test::random_importance(7, row.size())), row);
    }
  }
}

TEST(BlockEncodersTest, Q8_0IsExactInHalfAStep) {
  const Floats row = test::random_row(test::Shape::kStudent4, 8);
  const Floats back = there_and_back(DType::kQ8_0, row);
  for (size_t begin = 0; begin < row.size(); begin += 32) {
    float largest = 0.0f;
    for (size_t i = begin; i < begin + 32; ++i) largest = std::max(largest, std::fabs(row[i]));
    for (size_t i = begin; i < begin + 32; ++i)
      EXPECT_LE(std::fabs(row[i] - back[i]), largest / 127.0f * 0.57f);
  }
}

TEST(BlockEncodersTest, ZerosStayZeros) {
  const Floats zeros(512, 0.0f);
  Floats minus = zeros;
  for (float& x : minus) x = -x;
  for (const DType dtype : kBlockTypes)
    for (const Floats& importance : {Floats(), test::random_importance(9, 512)}) {
      SCOPED_TRACE(name(dtype));
      EXPECT_EQ(there_and_back(dtype, zeros, importance), zeros);
      EXPECT_EQ(there_and_back(dtype, minus, importance), zeros);
    }
}

TEST(BlockEncodersTest, ConstantsStayConstants) {
  for (const DType dtype : kBlockTypes)
    for (const float value : {1.0f, -1.0f, 0.013f, -0.013f, 300.0f}) {
      SCOPED_TRACE(std::string(name(dtype)) + " of " + std::to_string(value));
      // Of the small ones the scale may be a subnormal f16, of sixty units or so.
      const float tolerance = std::fabs(value) < 0.1f ? 0.01f : 0.002f;
      for (const Floats& importance : {Floats(), test::random_importance(10, 512)})
        for (const float x : there_and_back(dtype, Floats(512, value), importance))
          ASSERT_NEAR(x, value, std::fabs(value) * tolerance);
    }
}

TEST(BlockEncodersTest, AnOutlierIsKept) {
  for (const DType dtype : kBlockTypes)
    for (const float outlier : {50.0f, -50.0f}) {
      SCOPED_TRACE(name(dtype));
      Floats row = test::random_row(test::Shape::kGaussian, 11, 512);
      row[100] = outlier;
      const Floats back = there_and_back(dtype, row);
      EXPECT_NEAR(back[100], outlier, 0.3f);
      for (const float x : back) EXPECT_LE(std::fabs(x), 50.5f);
      // The other block does not hear of it.
      EXPECT_LT(test::squared_error(Floats(row.begin() + 256, row.end()),
                                    Floats(back.begin() + 256, back.end()), {}),
                0.1 * 256 * 0.02 * 0.02);
    }
}

// Everything that can be asked for has finite numbers as answer, of the right sign if any, and not
// beyond what was asked for.
TEST(BlockEncodersTest, ExtremeRowsHaveFiniteEncodings) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  constexpr float kSmallest = std::numeric_limits<float>::denorm_min();
  std::vector<Floats> rows;
  for (const float scale : {kSmallest, 1e-42f, 1e-38f, 1e-30f, 1e-15f, 1e-9f, 1e-7f, 1e-6f, 1e-4f,
                            1e4f, 1e8f, 1e30f, 1e36f, kLargest}) {
    Floats row = test::random_row(test::Shape::kGaussian, 12, 512);
    for (float& x : row) x = std::clamp(x / 0.1f, -1.0f, 1.0f) * scale;
    rows.push_back(row);
    rows.emplace_back(512, scale);
    rows.emplace_back(512, -scale);
    Floats mixed = test::random_row(test::Shape::kGaussian, 13, 512);
    mixed[7] = scale, mixed[300] = -scale;
    rows.push_back(mixed);
    Floats alone(512, 0.0f);
    alone[40] = -scale, alone[511] = scale;
    rows.push_back(alone);
    Floats nearly(512, 1.0f);  // far from zero, close together
    for (size_t i = 0; i < 512; ++i) nearly[i] += static_cast<float>(i % 7) * 1e-6f;
    for (float& x : nearly) x *= std::min(scale, 1e37f);
    rows.push_back(nearly);
  }
  std::vector<Floats> importances = {{}};
  for (const float scale : {kSmallest, 1e-30f, 1.0f, 1e30f}) {
    importances.push_back(test::random_importance(14, 512));
    for (float& w : importances.back()) w *= scale;
  }
  importances.emplace_back(512, kLargest);
  importances.emplace_back(512, 0.0f);
  importances.back()[3] = 1.0f;
  for (const DType dtype : kBlockTypes) {
    SCOPED_TRACE(name(dtype));
    for (size_t r = 0; r < rows.size(); ++r)
      for (const Floats& importance : importances) {
        const Floats back = there_and_back(dtype, rows[r], importance);
        float largest = 0.0f;
        for (const float x : rows[r]) largest = std::max(largest, std::fabs(x));
        for (const float x : back) {
          ASSERT_TRUE(std::isfinite(x)) << "row " << r;
          ASSERT_LE(std::fabs(x) / 2.1f, largest + 0x1p-14f) << "row " << r;
        }
      }
  }
}

// Weights as small as these have scales that are subnormal in f16.
TEST(BlockEncodersTest, SmallWeightsAreNotCutOff) {
  for (const DType dtype : kBlockTypes)
    for (const float scale : {0.05f, 0.02f, 0.005f}) {
      SCOPED_TRACE(std::string(name(dtype)) + " of " + std::to_string(scale));
      Floats row = test::random_row(test::Shape::kGaussian, 15);
      const double normal = error(dtype, row, {}, {});
      for (float& x : row) x *= scale;
      EXPECT_LT(error(dtype, row, {}, {}), 1.5 * normal * std::pow(static_cast<double>(scale), 2));
    }
}

// However a row is cut, its blocks are the same: threads may share one.
TEST(BlockEncodersTest, BlocksDoNotDependOnTheirNeighbours) {
  const Floats row = test::random_row(test::Shape::kLaplace, 16);
  const Floats importance = test::random_importance(16);
  for (const DType dtype : kBlockTypes) {
    SCOPED_TRACE(name(dtype));
    const Bytes whole = encoded(dtype, row, importance);
    const auto n = static_cast<size_t>(info(dtype).block_elements);
    for (const size_t n_blocks : {1u, 2u, 3u, 5u}) {
      Bytes pieces;
      for (size_t begin = 0; begin < row.size(); begin += n * n_blocks) {
        const size_t end = std::min(row.size(), begin + n * n_blocks);
        const auto cut = [&](const Floats& all) {
          return Floats(all.data() + begin, all.data() + end);
        };
        const Bytes piece = encoded(dtype, cut(row), cut(importance));
        pieces.insert(pieces.end(), piece.begin(), piece.end());
      }
      EXPECT_EQ(pieces, whole) << n_blocks;
    }
  }
}

// The same bytes from every compiler and on every machine. After a wilful change of an encoder,
// take the new numbers from the message.
TEST(BlockEncodersTest, BytesAreTheSameEverywhere) {
  const struct {
    DType dtype;
    uint64_t plain, weighted;
  } kExpected[] = {
      {DType::kQ4_0, 0xb532d09303e6a19d, 0xb2f1c81844a09d65},
      {DType::kQ4_1, 0x36fc608a9afbaca0, 0xaeb570ede038aa0},
      {DType::kQ5_0, 0xf16c8b63db3e9e1, 0x5b96ba5a072c5de7},
      {DType::kQ5_1, 0x1752e4a191895f24, 0x93064953fdc35390},
      {DType::kQ8_0, 0xf519ff7a0c4c9bee, 0xf519ff7a0c4c9bee},
      {DType::kIQ4_NL, 0x767b24bbd6735237, 0xf83c85fd47681905},
      {DType::kQ2_K, 0x3579b25a34621575, 0x4e854bb882fa938e},
      {DType::kQ3_K, 0xb65b931b6bb8af50, 0xa9a4b3b618206ebc},
      {DType::kQ4_K, 0x97efc7d1c1ad00e6, 0x960873688d4743b5},
      {DType::kQ5_K, 0x63dcb9d6c064a0b2, 0xa1935f804fa91694},
      {DType::kQ6_K, 0x4b2d6d35781d38c0, 0x8002d07ddfbdee82},
      {DType::kIQ4_XS, 0xfb49d8740d055bac, 0xe76af0162b0207c1},
  };
  const Floats importance = test::random_importance(17);
  for (const auto& [dtype, plain, weighted] : kExpected) {
    uint64_t hashes[2] = {};
    for (const bool with : {false, true}) {
      uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
      for (const test::Shape shape : test::kShapes)
        for (const std::byte b :
             encoded(dtype, test::random_row(shape, 17), with ? importance : Floats()))
          hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001b3u;
      hashes[with] = hash;
    }
    EXPECT_TRUE(hashes[0] == plain && hashes[1] == weighted)
        << name(dtype) << std::hex << ", 0x" << hashes[0] << ", 0x" << hashes[1];
  }
}

}  // namespace
}  // namespace hadal
