// decode_row: every format against blocks whose exact values are known.
#include "lib/tensor/block_formats.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lib/base/float_formats.hpp"
#include "lib/tensor/iq_grids.hpp"

namespace hadal {
namespace {

nlohmann::json golden(const std::string& file) {
  std::ifstream in(std::string(HADAL_TEST_DATA) + "/golden/" + file);
  return nlohmann::json::parse(in);
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

std::vector<std::byte> bytes_of(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::vector<float> decoded(DType dtype, const std::vector<std::byte>& bytes) {
  const DTypeInfo& format = info(dtype);
  const size_t n_blocks = bytes.size() / static_cast<size_t>(format.block_bytes);
  std::vector<float> values(n_blocks * static_cast<size_t>(format.block_elements));
  decode_row(dtype, bytes.data(), static_cast<int64_t>(values.size()), values.data());
  return values;
}

TEST(BlockFormatsTest, DecodesEveryVectorExactly) {
  const nlohmann::json vectors = golden("quant-test-vectors.json");
  EXPECT_EQ(vectors.size(), 22u);
  for (const auto& [name, vector] : vectors.items()) {
    SCOPED_TRACE(name);
    const auto dtype = dtype_from_name(lower(name));
    ASSERT_TRUE(dtype.has_value());
    EXPECT_EQ(info(*dtype).block_elements, vector["elements"].get<int>());
    EXPECT_EQ(info(*dtype).block_bytes, vector["block_bytes"].get<int>());
    const auto values = decoded(*dtype, bytes_of(vector["block_hex"].get<std::string>()));
    const auto expected = vector["values"].get<std::vector<float>>();
    ASSERT_EQ(values.size(), expected.size());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], expected[i]) << "element " << i;
  }
}

TEST(BlockFormatsTest, DecodesSeveralBlocksFromAnyAddressAlike) {
  for (int t = 0; t < kDTypeCount; ++t) {
    const auto dtype = static_cast<DType>(t);
    if (!info(dtype).is_weight) continue;
    SCOPED_TRACE(name(dtype));
    const auto block_bytes = static_cast<size_t>(info(dtype).block_bytes);
    std::vector<std::byte> bytes(3 * block_bytes + 1);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37 % 60);

    const auto n = static_cast<size_t>(3 * info(dtype).block_elements);
    std::vector<float> together(n), one_by_one(n);
    decode_row(dtype, bytes.data() + 1, static_cast<int64_t>(n), together.data());
    for (size_t b = 0; b < 3; ++b) {
      std::vector<std::byte> block(block_bytes);  // aligned
      std::memcpy(block.data(), bytes.data() + 1 + b * block_bytes, block_bytes);
      decode_row(dtype, block.data(), info(dtype).block_elements, one_by_one.data() + b * n / 3);
    }
    EXPECT_EQ(together, one_by_one);
  }
}

TEST(BlockFormatsTest, AcceptsAnyBytes) {
  uint64_t state = 1;
  for (int t = 0; t < kDTypeCount; ++t) {
    const auto dtype = static_cast<DType>(t);
    if (!info(dtype).is_weight) continue;
    std::vector<std::byte> bytes(static_cast<size_t>(info(dtype).block_bytes) * 50);
    for (std::byte& b : bytes) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      b = static_cast<std::byte>(state >> 56);
    }
    decoded(dtype, bytes);  // the sanitizers look on
    for (std::byte& b : bytes) b = std::byte{0xff};
    decoded(dtype, bytes);
  }
}

TEST(BlockFormatsTest, PlainTypes) {
  const std::vector<float> f32 = {1.5f, -0.0f, std::numeric_limits<float>::infinity()};
  std::vector<std::byte> bytes(12);
  std::memcpy(bytes.data(), f32.data(), 12);
  EXPECT_EQ(decoded(DType::kF32, bytes), f32);
  EXPECT_EQ(decoded(DType::kF16, bytes_of("003e00800100007c")),
            (std::vector<float>{1.5f, -0.0f, 0x1p-24f, f32[2]}));
  EXPECT_EQ(decoded(DType::kBF16, bytes_of("c03f00808000807f")),
            (std::vector<float>{1.5f, -0.0f, 0x1p-126f, f32[2]}));
}

// The vectors have no nvfp4, q1_0 and q2_0: these blocks were worked out by hand.
TEST(BlockFormatsTest, Nvfp4ScalesSixteenElementsByTheirOwnE4m3) {
  std::vector<std::byte> block(36);
  block[0] = std::byte{0x38};  // 1.0
  block[1] = std::byte{0x01};  // subnormal: 2^-9
  block[2] = std::byte{0x7f};  // would be NaN: counts as zero
  block[3] = std::byte{0x7e};  // 448
  for (size_t part = 0; part < 4; ++part) block[4 + 8 * part] = std::byte{0xf2};  // 1.0 and -6.0
  const auto x = decoded(DType::kNVFP4, block);
  EXPECT_EQ(x[0], 1.0f);
  EXPECT_EQ(x[8], -6.0f);
  EXPECT_EQ(x[16], 0x1p-9f);
  EXPECT_EQ(x[24], -6.0f * 0x1p-9f);
  EXPECT_EQ(x[32], 0.0f);
  EXPECT_EQ(x[40], 0.0f);
  EXPECT_EQ(x[48], 448.0f);
  EXPECT_EQ(x[56], -2688.0f);
  EXPECT_EQ(x[1], 0.0f);
}

TEST(BlockFormatsTest, OneAndTwoBitBlocks) {
  std::vector<std::byte> one(18);
  one[1] = std::byte{0x40};  // d = 2.0
  one[2] = std::byte{0x05};
  const auto x = decoded(DType::kQ1_0, one);
  EXPECT_EQ(std::vector<float>(x.begin(), x.begin() + 4), (std::vector<float>{2, -2, 2, -2}));
  std::vector<std::byte> two(18);
  two[1] = std::byte{0x40};
  two[2] = std::byte{0xe4};  // levels 0, 1, 2, 3
  const auto y = decoded(DType::kQ2_0, two);
  EXPECT_EQ(std::vector<float>(y.begin(), y.begin() + 5), (std::vector<float>{-2, 0, 2, 4, -2}));
}

template <size_t n>
void expect_book(const uint16_t (&book)[n], const nlohmann::json& entries, int bits,
                 const int8_t* levels) {
  ASSERT_EQ(entries.size(), n);
  for (size_t i = 0; i < n; ++i) {
    int j = 0;
    for (const int value : entries[i].get<std::vector<int>>())
      ASSERT_EQ(levels[(book[i] >> (bits * j++)) & ((1 << bits) - 1)], value) << "entry " << i;
  }
}

TEST(BlockFormatsTest, CodeBooksAreThoseOfTheFormats) {
  const nlohmann::json grids = golden("iq-grids.json");
  expect_book(kIq2xxsGrid, grids["iq2xxs_grid"], 2, kIq2Levels);
  expect_book(kIq2xsGrid, grids["iq2xs_grid"], 2, kIq2Levels);
  expect_book(kIq2sGrid, grids["iq2s_grid"], 2, kIq2Levels);
  expect_book(kIq3xxsGrid, grids["iq3xxs_grid"], 3, kIq3xxsLevels);
  expect_book(kIq3sGrid, grids["iq3s_grid"], 3, kIq3sLevels);
  expect_book(kIq1sGrid, grids["iq1s_grid"], 2, kIq1Levels);
}

}  // namespace
}  // namespace hadal
