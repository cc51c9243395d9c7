// Every number a file can give as a tensor type.
#include "lib/checkpoint/gguf_types.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace hadal {
namespace {

// The table of the format, id to name.
const std::map<uint32_t, std::string>& known() {
  static const std::map<uint32_t, std::string> table = {
      {0, "f32"},    {1, "f16"},     {2, "q4_0"},     {3, "q4_1"},    {6, "q5_0"},
      {7, "q5_1"},   {8, "q8_0"},    {10, "q2_k"},    {11, "q3_k"},   {12, "q4_k"},
      {13, "q5_k"},  {14, "q6_k"},   {16, "iq2_xxs"}, {17, "iq2_xs"}, {18, "iq3_xxs"},
      {19, "iq1_s"}, {20, "iq4_nl"}, {21, "iq3_s"},   {22, "iq2_s"},  {23, "iq4_xs"},
      {24, "i8"},    {25, "i16"},    {26, "i32"},     {27, "i64"},    {28, "f64"},
      {29, "iq1_m"}, {30, "bf16"},   {34, "tq1_0"},   {35, "tq2_0"},  {39, "mxfp4"},
      {40, "nvfp4"}, {41, "q1_0"},   {42, "q2_0"},
  };
  return table;
}

TEST(GgufTypesTest, KnowsEveryTypeOfTheStandard) {
  std::set<DType> seen;
  for (const auto& [id, type_name] : known()) {
    const absl::StatusOr<DType> dtype = dtype_of_gguf_type(id);
    ASSERT_TRUE(dtype.ok()) << id;
    EXPECT_EQ(name(*dtype), type_name);
    EXPECT_TRUE(seen.insert(*dtype).second) << "two numbers for " << type_name;
  }
  // GGUF has no fp8 with the scales of its blocks in another tensor.
  for (const DType dtype : {DType::kF8_E4M3, DType::kF8_E8M0}) {
    EXPECT_TRUE(seen.insert(dtype).second) << name(dtype);
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kDTypeCount));
}

TEST(GgufTypesTest, NamesRetiredTypes) {
  const std::map<uint32_t, std::string> retired = {
      {4, "q4_2"},      {5, "q4_3"},        {31, "q4_0_4_4"},   {32, "q4_0_4_8"},
      {33, "q4_0_8_8"}, {36, "iq4_nl_4_4"}, {37, "iq4_nl_4_8"}, {38, "iq4_nl_8_8"}};
  for (const auto& [id, type_name] : retired) {
    const absl::Status status = dtype_of_gguf_type(id).status();
    EXPECT_EQ(code_of(status), HADAL_E_UNSUPPORTED) << id;
    EXPECT_THAT(message_of(status), testing::HasSubstr(type_name));
    EXPECT_THAT(message_of(status), testing::HasSubstr("retired"));
  }
}

TEST(GgufTypesTest, NamesActivationTypesAndPrivateOnes) {
  const std::map<uint32_t, std::string> others = {
      {9, "q8_1"},     {15, "q8_k"},      {97, "ik_llama"},  {133, "q6_0"},    {139, "iq4_k"},
      {144, "iq4_ks"}, {158, "ik_llama"}, {202, "ik_llama"}, {399, "ik_llama"}};
  for (const auto& [id, text] : others) {
    const absl::Status status = dtype_of_gguf_type(id).status();
    EXPECT_EQ(code_of(status), HADAL_E_UNSUPPORTED) << id;
    EXPECT_THAT(message_of(status), testing::HasSubstr(text)) << id;
  }
}

TEST(GgufTypesTest, EveryOtherNumberIsAnError) {
  for (uint32_t id = 0; id < 1000; ++id) {
    const absl::StatusOr<DType> dtype = dtype_of_gguf_type(id);
    EXPECT_EQ(dtype.ok(), known().count(id) == 1) << id;
    if (!dtype.ok()) {
      const hadal_status code = code_of(dtype.status());
      EXPECT_TRUE(code == HADAL_E_FORMAT || code == HADAL_E_UNSUPPORTED) << id;
    }
  }
  for (const uint32_t id : {43u, 100u, 400u, 0x80000000u, UINT32_MAX}) {
    EXPECT_EQ(code_of(dtype_of_gguf_type(id).status()), HADAL_E_FORMAT) << id;
  }
}

}  // namespace
}  // namespace hadal
