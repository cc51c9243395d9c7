// The writers of both formats, read back by the strict readers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/checkpoint/gguf_file.hpp"
#include "lib/checkpoint/safetensors_file.hpp"
#include "lib/convert/gguf_file_writer.hpp"
#include "lib/convert/safetensors_file_writer.hpp"
#include "tests/convert/workbench.hpp"

namespace hadal::test {
namespace {

constexpr int64_t kShape[] = {3, 32};
constexpr int64_t kLong[] = {2, 2, 2, 2, 2};

TEST(GgufWriter, MetadataOfEveryType) {
  GgufEntries e;
  e.set_text("general.architecture", "deepseek2");
  e.set_u16("u16", 65535);
  e.set_u32("u32", 4'000'000'000);
  e.set_i32("i32", -5);
  e.set_f32("f32", 0.1);
  e.set_flag("flag", true);
  e.set_text("text", "a\nb");
  e.set_texts("texts", {"", "one", "Ġtwo"});
  e.set_i32s("i32s", {1, -2, 3});
  e.set("u8", {GgufType::kUint8, GgufScalar(uint64_t{200})});
  e.set("i8", {GgufType::kInt8, GgufScalar(int64_t{-100})});
  e.set("i16", {GgufType::kInt16, GgufScalar(int64_t{-30000})});
  e.set("u64", {GgufType::kUint64, GgufScalar(uint64_t{1} << 63)});
  e.set("i64", {GgufType::kInt64, GgufScalar(int64_t{-1} << 62)});
  e.set("f64", {GgufType::kFloat64, GgufScalar(0.1)});
  e.set_u32("u32", 7);  // in its place
  e.set_text("gone", "x");
  e.erase("gone");
  const auto layout = lay_out_gguf(e, {});
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->size_bytes, layout->header.size());
  EXPECT_LE(layout->header.size(), gguf_metadata_bytes(e) + 32);
  WritableFiles files;
  files.put("f", layout->header);
  GgufTotals totals;
  const auto file = read_gguf_file(*files.files()->open("f"), {}, totals);
  ASSERT_TRUE(file.ok()) << message_of(file.status());
  const GgufMetadata& m = file->metadata;
  ASSERT_EQ(m.entries().size(), e.entries().size());
  for (size_t i = 0; i < e.entries().size(); ++i) {
    EXPECT_EQ(m.entries()[i].key, e.entries()[i].key);
    EXPECT_EQ(m.entries()[i].value.type, e.entries()[i].value.type);
  }
  EXPECT_EQ(*m.integer("u32"), 7);
  EXPECT_EQ(*m.integer("i32"), -5);
  EXPECT_EQ(*m.integer("u8"), 200);
  EXPECT_EQ(*m.integer("i8"), -100);
  EXPECT_EQ(*m.integer("i16"), -30000);
  EXPECT_EQ(m.formatted("u64"), "9223372036854775808");
  EXPECT_EQ(*m.integer("i64"), int64_t{-1} << 62);
  EXPECT_EQ(*m.real("f32"), static_cast<double>(0.1f));
  EXPECT_EQ(*m.real("f64"), 0.1);
  EXPECT_EQ(*m.flag("flag"), true);
  EXPECT_EQ(*m.text("text"), "a\nb");
  EXPECT_EQ(m.formatted("texts"), "[\"\",\"one\",\"Ġtwo\"]");
  EXPECT_EQ(m.formatted("i32s"), "[1,-2,3]");
}

TEST(GgufWriter, TensorsAreAlignedAsTheFileSays) {
  for (const uint64_t alignment : {8u, 32u, 4096u}) {
    GgufEntries e;
    e.set_u32("general.alignment", alignment);
    const GgufTensorToWrite tensors[] = {{"a", DType::kQ8_0, kShape, 3 * 34},
                                         {"b", DType::kF32, std::span(kShape).last(1), 32 * 4}};
    const auto layout = lay_out_gguf(e, tensors);
    ASSERT_TRUE(layout.ok());
    EXPECT_EQ(layout->alignment, alignment);
    EXPECT_EQ(layout->offsets[0], layout->header.size());
    EXPECT_EQ(layout->header.size() % alignment, 0u);
    EXPECT_EQ(layout->offsets[1] % alignment, 0u);
    std::string bytes = layout->header;
    bytes.resize(layout->size_bytes, '\0');
    WritableFiles files;
    files.put("f", bytes);
    GgufTotals totals;
    const auto file = read_gguf_file(*files.files()->open("f"), {}, totals);
    ASSERT_TRUE(file.ok()) << message_of(file.status());
    EXPECT_EQ(file->tensors[0].shape, (std::vector<int64_t>{3, 32}));
    EXPECT_EQ(file->tensors[0].dtype, DType::kQ8_0);
    EXPECT_EQ(file->tensors[1].offset, layout->offsets[1]);
  }
}

TEST(GgufWriter, WhatTheFormatCannotHold) {
  const std::string long_name(64, 'x');
  const GgufTensorToWrite bad[] = {{"a", DType::kF8_E4M3, kShape, 96},
                                   {long_name, DType::kF32, kShape, 384},
                                   {"a", DType::kF32, kLong, 128}};
  for (const GgufTensorToWrite& one : bad)
    EXPECT_EQ(code_of(lay_out_gguf({}, {&one, 1}).status()), HADAL_E_UNSUPPORTED);
}

TEST(SafetensorsWriter, IsReadBack) {
  const std::string odd = "a \"name\" \\ with\nall";
  const GgufTensorToWrite block{"q", DType::kQ8_0, kShape, 102};
  const SafetensorsTensorToWrite tensors[] = {{odd, DType::kBF16, kShape, 192},
                                              {"b", DType::kF8_E4M3, std::span(kShape).last(1), 32},
                                              {"c", DType::kF32, kShape, 384}};
  const auto layout = lay_out_safetensors(tensors);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->header.size() % 8, 0u);
  std::string bytes = layout->header;
  bytes.resize(layout->size_bytes, '\0');
  WritableFiles files;
  files.put("f", bytes);
  SafetensorsTotals totals;
  const auto file = read_safetensors_file(*files.files()->open("f"), {}, totals);
  ASSERT_TRUE(file.ok()) << message_of(file.status());
  ASSERT_EQ(file->tensors.size(), 3u);
  EXPECT_EQ(file->tensors[0].name, odd);
  EXPECT_EQ(file->tensors[0].shape, (std::vector<int64_t>{3, 32}));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(file->tensors[i].offset, layout->offsets[i]);
  const SafetensorsTensorToWrite quantised{block.name, block.dtype, block.shape, 102};
  EXPECT_EQ(code_of(lay_out_safetensors({&quantised, 1}).status()), HADAL_E_UNSUPPORTED);
}

}  // namespace
}  // namespace hadal::test
