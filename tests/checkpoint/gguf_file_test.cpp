// The layout of a GGUF file: what is accepted, and every field wrong in turn.
#include "lib/checkpoint/gguf_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/opening.hpp"

namespace hadal {
namespace {

using test::expect_is_failure;
using test::expect_refused;
using test::expect_refused_bytes;
using test::GgufWriter;
using test::open_bytes;
using test::open_writer;
using test::raw;
using test::raw_string;
using test::tiny_model;

constexpr uint64_t kHuge = UINT64_MAX;

TEST(GgufFileTest, AcceptsTheTinyModelInBothVersions) {
  for (const uint32_t version : {2u, 3u}) {
    GgufWriter w = tiny_model();
    w.version = version;
    const auto opened = open_writer(w);
    ASSERT_TRUE(opened->ok()) << message_of(opened->result.status());
    EXPECT_EQ(opened->operator*().manifest().entries().size(), w.tensors.size());
  }
}

TEST(GgufFileTest, ReadsTheHeaderOnlyAndNoTensorData) {
  GgufWriter w = tiny_model();
  w.tensor("large", {1 << 20});
  GgufWriter::Places places;
  const std::string bytes = w.bytes(&places);
  const auto opened = open_bytes(bytes);
  ASSERT_TRUE(opened->ok());
  EXPECT_LT(opened->memory.bytes_read(), places.header_end + (128u << 10));
}

TEST(GgufFileTest, ReadsThroughAHostThatGivesOneByteAtATime) {
  test::MemoryFiles memory;
  memory.put(test::kPath, tiny_model().bytes());
  memory.set_most_per_read(1);
  EXPECT_TRUE(open_checkpoint(memory.files(), test::kPath, {}, {}).ok());
}

TEST(GgufFileTest, PassesOnTheHostsReadFailure) {
  for (int n = 0; n < 2; ++n) {
    test::MemoryFiles memory;
    memory.put(test::kPath, tiny_model().bytes());
    memory.fail_read(n, HADAL_E_IO);
    const auto result = open_checkpoint(memory.files(), test::kPath, {}, {});
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(code_of(result.status()), HADAL_E_IO);
    EXPECT_EQ(memory.n_open(), 0);
  }
}

TEST(GgufFileTest, TurnsTheDimensionsRound) {
  GgufWriter w = tiny_model();
  w.tensor("x", {2, 3, 5, 7});
  const auto opened = open_writer(w);
  ASSERT_TRUE(opened->ok());
  const TensorEntry* entry = (*opened)->manifest().find("x");
  ASSERT_NE(entry, nullptr);
  EXPECT_THAT(entry->shape, testing::ElementsAre(7, 5, 3, 2));
  EXPECT_EQ(entry->size_bytes, 2u * 3 * 5 * 7 * 4);
}

TEST(GgufFileTest, GivesEveryTensorItsPlaceInTheFile) {
  GgufWriter w = tiny_model();
  for (size_t i = 0; i < w.tensors.size(); ++i) {
    w.tensors[i].data = std::string(w.tensors[i].size_bytes, static_cast<char>(i + 1));
  }
  const std::string bytes = w.bytes();
  const auto opened = open_bytes(bytes);
  ASSERT_TRUE(opened->ok());
  const auto& entries = (*opened)->manifest().entries();
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(bytes.substr(entries[i].offset, entries[i].size_bytes), w.tensors[i].data);
    EXPECT_EQ(entries[i].offset % 32, 0u);
  }
}

TEST(GgufFileTest, HonoursTheAlignmentKey) {
  for (const uint32_t alignment : {8u, 64u, 4096u}) {
    GgufWriter w = tiny_model();
    w.set_u32("general.alignment", alignment);
    w.alignment = alignment;
    EXPECT_TRUE(open_writer(w)->ok()) << alignment;
  }
  GgufWriter w = tiny_model();
  w.remove("general.alignment");
  EXPECT_TRUE(open_writer(w)->ok());
}

TEST(GgufFileTest, ToleratesMissingPaddingBehindTheLastTensorOnly) {
  GgufWriter w = tiny_model();
  w.tensor("last", {1});
  w.pads_end = false;
  const std::string bytes = w.bytes();
  EXPECT_TRUE(open_bytes(bytes)->ok());
  expect_refused_bytes(bytes.substr(0, bytes.size() - 1), HADAL_E_FORMAT,
                       {"tensor last", "the file ends at byte"});
}

TEST(GgufFileTest, AcceptsAFileWithoutTensorsAndWithoutPadding) {
  GgufWriter w = tiny_model();
  w.tensors.clear();
  w.set_u32("deepseek2.expert_gating_func", 1);
  w.pads_end = false;
  GgufWriter::Places places;
  std::string bytes = w.bytes(&places);
  bytes.resize(places.header_end);
  EXPECT_TRUE(open_bytes(bytes)->ok());
}

// ---- Header
// --------------------------------------------------------------------------------------

TEST(GgufFileTest, RefusesOtherMagics) {
  for (const char* magic : {"GGUf", "FUGG", "ggml", "GGML"}) {
    GgufWriter w = tiny_model();
    w.magic = magic;
    expect_refused(w, HADAL_E_UNSUPPORTED, {"not a GGUF file"});
  }
}

TEST(GgufFileTest, RefusesOtherVersions) {
  const auto with_version = [](uint32_t version) {
    GgufWriter w = tiny_model();
    w.version = version;
    return w;
  };
  expect_refused(with_version(0), HADAL_E_FORMAT, {"version 0", "byte 4"});
  expect_refused(with_version(1), HADAL_E_UNSUPPORTED, {"version 1"});
  expect_refused(with_version(4), HADAL_E_UNSUPPORTED, {"version 4"});
  expect_refused(with_version(102), HADAL_E_UNSUPPORTED, {"version 102"});
  expect_refused(with_version(UINT32_MAX), HADAL_E_UNSUPPORTED, {"version 4294967295"});
}

TEST(GgufFileTest, NamesBigEndianFiles) {
  GgufWriter w = tiny_model();
  w.version = 3u << 24;
  expect_refused(w, HADAL_E_UNSUPPORTED, {"big-endian"});
}

TEST(GgufFileTest, RefusesCountsThatTheFileCannotHold) {
  for (const uint64_t lie : {kHuge, kHuge / 2, uint64_t{1} << 63, uint64_t{1} << 32, kHuge / 32,
                             kHuge / 33 + 1, kHuge / 13 + 1}) {
    GgufWriter w = tiny_model();
    w.n_tensors = lie;
    expect_refused(w, HADAL_E_FORMAT, {"announced at byte 8"});
    w = tiny_model();
    w.n_entries = lie;
    expect_refused(w, HADAL_E_FORMAT, {"announced at byte 8"});
  }
}

TEST(GgufFileTest, RefusesCountsOffByOne) {
  GgufWriter w = tiny_model();
  w.n_entries = w.entries.size() + 1;  // takes the first tensor for a key
  expect_refused(w, HADAL_E_FORMAT, {"a tensor's name"});
  w.n_entries = w.entries.size() - 1;  // takes the last key for a tensor
  expect_refused(w, HADAL_E_FORMAT, {"tokenizer.chat_template"});
  w = tiny_model();
  w.n_tensors = w.tensors.size() + 1;
  expect_refused(w, HADAL_E_FORMAT, {"a tensor's name"});
}

// ---- Keys and values
// -----------------------------------------------------------------------------

TEST(GgufFileTest, RefusesEmptyLongAndUnprintableKeys) {
  GgufWriter w = tiny_model();
  w.entries.insert(w.entries.begin(), {"", 4, raw(uint32_t{1}), std::nullopt});
  expect_refused(w, HADAL_E_FORMAT, {"a metadata key at byte 24", "found 0"});
  w.entries.front().key = std::string(65536, 'k');
  expect_refused(w, HADAL_E_FORMAT, {"found 65536"});
  w.entries.front().key = std::string(65535, 'k');
  EXPECT_TRUE(open_writer(w)->ok());
  w.entries.front().key = "k\x1b[31m";
  expect_refused(w, HADAL_E_FORMAT, {"k\\x1b[31m", "printable"});
  w.entries.front().key = std::string("k\0", 2);
  expect_refused(w, HADAL_E_FORMAT, {"k\\x00"});
}

TEST(GgufFileTest, RefusesAKeyLongerThanTheFile) {
  for (const uint64_t lie : {kHuge, uint64_t{1} << 32, uint64_t{60000}}) {
    GgufWriter w = tiny_model();
    w.entries.back().key_size = lie;
    expect_refused(w, HADAL_E_FORMAT, {"a metadata key"});
  }
}

TEST(GgufFileTest, RefusesAKeyThatStandsTwice) {
  GgufWriter w = tiny_model();
  w.entries.push_back(w.entries.front());
  expect_refused(w, HADAL_E_FORMAT, {"general.architecture", "twice", "at byte 24"});
}

TEST(GgufFileTest, RefusesUnknownValueTypes) {
  for (const uint32_t type : {13u, 14u, 255u, 0x80000004u, UINT32_MAX}) {
    GgufWriter w = tiny_model();
    w.set_raw("x", type, raw(uint64_t{0}));
    expect_refused(w, HADAL_E_FORMAT, {"x: type"});
    w.set_raw("x", 9, raw(type) + raw(uint64_t{1}) + raw(uint64_t{0}));
    expect_refused(w, HADAL_E_FORMAT, {"x: element type"});
  }
}

TEST(GgufFileTest, RefusesArraysOfArrays) {
  GgufWriter w = tiny_model();
  w.set_raw("x", 9, raw(uint32_t{9}) + raw(uint64_t{0}));
  expect_refused(w, HADAL_E_UNSUPPORTED, {"x", "array of arrays"});
}

TEST(GgufFileTest, RefusesArraysThatTheFileCannotHold) {
  for (const uint32_t type : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 10u, 11u, 12u}) {
    for (const uint64_t lie : {kHuge, kHuge / 8 + 1, kHuge / 4 + 1, uint64_t{1} << 61,
                               uint64_t{1} << 63, uint64_t{1} << 20}) {
      GgufWriter w = tiny_model();
      w.set_raw("x", 9, raw(type) + raw(lie) + raw(uint64_t{0}));
      expect_refused(w, HADAL_E_FORMAT, {"x", "announced"});
    }
  }
}

TEST(GgufFileTest, RefusesStringsThatTheFileCannotHold) {
  for (const uint64_t lie : {kHuge, kHuge - 7, uint64_t{1} << 63, uint64_t{1} << 31,
                             (uint64_t{1} << 31) - 1, uint64_t{1} << 20}) {
    GgufWriter w = tiny_model();
    w.set_raw("x", 8, raw(lie) + "text");
    expect_refused(w, HADAL_E_FORMAT, {"x at byte"});
    w.set_raw("x", 9, raw(uint32_t{8}) + raw(uint64_t{2}) + raw_string("a") + raw(lie) + "text");
    expect_refused(w, HADAL_E_FORMAT, {"x at byte"});
  }
}

TEST(GgufFileTest, RefusesABoolThatIsNeitherTrueNorFalse) {
  GgufWriter w = tiny_model();
  w.set_raw("x", 7, raw(uint8_t{2}));
  expect_refused(w, HADAL_E_FORMAT, {"x", "wanted a bool", "found 2"});
  w.set_raw("x", 9, raw(uint32_t{7}) + raw(uint64_t{2}) + raw(uint8_t{1}) + raw(uint8_t{255}));
  expect_refused(w, HADAL_E_FORMAT, {"x", "wanted a bool", "found 255"});
}

TEST(GgufFileTest, RefusesEveryAlignmentThatIsNone) {
  for (const uint64_t lie : {uint64_t{0}, uint64_t{1}, uint64_t{3}, uint64_t{4}, uint64_t{33},
                             uint64_t{4} << 20, uint64_t{1} << 31, uint64_t{1} << 62, kHuge}) {
    GgufWriter w = tiny_model();
    w.set_raw("general.alignment", 10, raw(lie));
    expect_refused(w, HADAL_E_FORMAT, {"general.alignment"});
  }
  GgufWriter w = tiny_model();
  w.set_raw("general.alignment", 5, raw(int32_t{-32}));
  expect_refused(w, HADAL_E_FORMAT, {"general.alignment", "found -32"});
  w.set_text("general.alignment", "32");
  expect_refused(w, HADAL_E_FORMAT, {"general.alignment", "wanted an integer", "found string"});
  w.set_f32("general.alignment", 32.0f);
  expect_refused(w, HADAL_E_FORMAT, {"wanted an integer", "found float32"});
}

// ---- Tensors
// -------------------------------------------------------------------------------------

GgufWriter with_tensor(void (*change)(GgufWriter::Tensor& tensor)) {
  GgufWriter w = tiny_model();
  change(w.tensor("x.weight", {4, 2}));
  return w;
}

TEST(GgufFileTest, RefusesBadTensorNames) {
  expect_refused(with_tensor([](auto& t) { t.name = ""; }), HADAL_E_FORMAT, {"found 0"});
  expect_refused(with_tensor([](auto& t) { t.name = std::string(64, 'n'); }), HADAL_E_FORMAT,
                 {"wanted 1 to 63", "found 64"});
  EXPECT_TRUE(open_writer(with_tensor([](auto& t) { t.name = std::string(63, 'n'); }))->ok());
  expect_refused(with_tensor([](auto& t) { t.name = "a\nb"; }), HADAL_E_FORMAT, {"a\\nb"});
  expect_refused(with_tensor([](auto& t) { t.name_size = kHuge; }), HADAL_E_FORMAT,
                 {"a tensor's name"});
  expect_refused(with_tensor([](auto& t) { t.name = "output.weight"; }), HADAL_E_FORMAT,
                 {"output.weight", "stands already at byte"});
}

TEST(GgufFileTest, RefusesOtherNumbersOfDimensions) {
  for (const uint32_t lie : {0u, 5u, 8u, 0x80000000u, UINT32_MAX}) {
    GgufWriter w = tiny_model();
    w.tensor("x.weight", {4, 2}).n_dimensions = lie;
    expect_refused(w, HADAL_E_FORMAT, {"tensor x.weight", "wanted 1 to 4 dimensions"});
  }
  expect_refused(with_tensor([](auto& t) { t.n_dimensions = 1; }), HADAL_E_FORMAT, {"x.weight"});
}

TEST(GgufFileTest, RefusesAZeroInEveryDimension) {
  for (size_t n = 1; n <= 4; ++n) {
    for (size_t zero = 0; zero < n; ++zero) {
      GgufWriter w = tiny_model();
      std::vector<uint64_t> dimensions(n, 2);
      dimensions[zero] = 0;
      w.tensor("x.weight", dimensions);
      expect_refused(w, HADAL_E_FORMAT, {"x.weight", "is 0"});
    }
  }
}

TEST(GgufFileTest, RefusesProductsOfDimensionsThatWrap) {
  const uint64_t k32 = uint64_t{1} << 32;
  for (const std::vector<uint64_t>& dimensions : {std::vector<uint64_t>{k32, k32},
                                                  {k32, k32, 1, 1},
                                                  {k32, k32 + 1},
                                                  {kHuge},
                                                  {kHuge, kHuge},
                                                  {uint64_t{1} << 63},
                                                  {1, uint64_t{1} << 62, 2},
                                                  {uint64_t{1} << 62, 4, 1, 1},
                                                  {3037000500u, 3037000500u}}) {
    GgufWriter w = tiny_model();
    w.tensor("x.weight", {1}).dimensions = dimensions;
    expect_refused(w, HADAL_E_FORMAT, {"x.weight"});
  }
}

TEST(GgufFileTest, RefusesSizesInBytesThatWrap) {
  GgufWriter w = tiny_model();  // 2^62 elements of 4 bytes
  w.tensor("x.weight", {1}).dimensions = {uint64_t{1} << 31, uint64_t{1} << 31};
  expect_refused(w, HADAL_E_FORMAT, {"x.weight", "2^63 bytes"});
}

TEST(GgufFileTest, RefusesSumsOfSizesThatWrap) {
  GgufWriter w = tiny_model();
  w.tensors.clear();
  for (const char* name : {"a", "b", "c"}) {  // 2^62 bytes each, but only the first is believed
    w.tensor(name, {1}, 24).dimensions = {uint64_t{1} << 62};
  }
  w.tensors[1].offset = uint64_t{1} << 62;
  w.tensors[2].offset = uint64_t{1} << 63;
  w.set_u32("deepseek2.expert_gating_func", 1);
  expect_refused(w, HADAL_E_FORMAT, {"tensor a", "the file ends"});
}

TEST(GgufFileTest, RefusesRowsThatAreNotWholeBlocks) {
  GgufWriter w = tiny_model();
  w.tensor("x.weight", {48, 32}, 8);
  expect_refused(w, HADAL_E_FORMAT, {"x.weight", "rows of 48", "q8_0", "blocks of 32"});
  w = tiny_model();
  w.tensor("x.weight", {128, 2}, 12);
  expect_refused(w, HADAL_E_FORMAT, {"rows of 128", "q4_k", "blocks of 256"});
}

TEST(GgufFileTest, RefusesOffsetsThatDoNotFollow) {
  for (const uint64_t lie : {uint64_t{0}, uint64_t{1}, uint64_t{32}, uint64_t{31},
                             uint64_t{1} << 40, uint64_t{1} << 63, kHuge, kHuge - 31}) {
    GgufWriter w = tiny_model();
    w.tensor("x.weight", {4, 2}).offset = lie;
    expect_refused(w, HADAL_E_FORMAT, {"x.weight", "wanted offset"});
  }
}

TEST(GgufFileTest, RefusesEveryTensorThatReachesBeyondTheEnd) {
  const GgufWriter model = tiny_model();
  GgufWriter::Places places;
  const std::string bytes = model.bytes(&places);
  size_t offset = 0;
  for (const GgufWriter::Tensor& tensor : model.tensors) {
    offset = (offset + 31) / 32 * 32 + tensor.size_bytes;
    // Cut one byte off this tensor: everything behind it is gone as well, but it is named first.
    expect_refused_bytes(bytes.substr(0, places.data_start + offset - 1), HADAL_E_FORMAT,
                         {tensor.name.c_str(), "the file ends"});
  }
}

// ---- Limits
// --------------------------------------------------------------------------------------

TEST(GgufFileTest, KeepsEveryLimitAndNamesItsOption) {
  const GgufWriter w = tiny_model();
  CheckpointOptions options;
  options.limit_tensors = w.tensors.size();
  options.limit_metadata_entries = w.entries.size();
  options.limit_array_elements = 8;
  options.limit_string_bytes = 14;  // the chat template's length
  EXPECT_TRUE(open_writer(w, options)->ok());

  const auto expect_limit = [&](const char* option, uint64_t CheckpointOptions::*limit) {
    CheckpointOptions one_less = options;
    --(one_less.*limit);
    const auto opened = open_writer(w, one_less);
    ASSERT_FALSE(opened->ok()) << option;
    expect_is_failure(opened->result.status(), HADAL_E_LIMIT, {test::kPath});
    EXPECT_THAT(hint_of(opened->result.status()), testing::HasSubstr(option));
  };
  expect_limit("limit_tensors", &CheckpointOptions::limit_tensors);
  expect_limit("limit_metadata_entries", &CheckpointOptions::limit_metadata_entries);
  expect_limit("limit_array_elements", &CheckpointOptions::limit_array_elements);
  expect_limit("limit_string_bytes", &CheckpointOptions::limit_string_bytes);
}

TEST(GgufFileTest, LimitsTheHeaderAsAWhole) {
  // Every string is within its limit, and so is their number; only together are they too much.
  GgufWriter w = tiny_model();
  CheckpointOptions options;
  options.limit_string_bytes = 1000;
  options.limit_array_elements = 100;
  options.limit_metadata_entries = 100;
  options.limit_tensors = 100;
  for (int i = 0; i < 40; ++i) w.set_text("x" + std::to_string(i), std::string(1000, 'x'));
  const auto opened = open_writer(w, options);
  ASSERT_FALSE(opened->ok());
  expect_is_failure(opened->result.status(), HADAL_E_LIMIT, {"headers together"});
}

}  // namespace
}  // namespace hadal
