// Mirrors lib/checkpoint/safetensors_file: what the format allows is read, everything else is
// refused with a name.
#include "lib/checkpoint/safetensors_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/memory_files.hpp"
#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/safetensors_writer.hpp"

namespace hadal {
namespace {

using test::SafetensorsWriter;
using test::tiny_safetensors;

absl::StatusOr<SafetensorsFile> read(std::string bytes, const CheckpointOptions& options = {},
                                     SafetensorsTotals* totals = nullptr) {
  test::MemoryFiles memory;
  memory.put("dir/m.safetensors", std::move(bytes));
  SafetensorsTotals own;
  const auto file = memory.files().open("dir/m.safetensors");
  auto result = read_safetensors_file(*file, options, totals != nullptr ? *totals : own);
  if (result.ok()) {
    const std::string problem = test::problem_of(*result, memory.bytes("dir/m.safetensors"));
    EXPECT_EQ(problem, "");
    result->file.reset();  // before the memory that it lies in
  }
  return result;
}

void expect_refused(std::string bytes, hadal_status code, std::initializer_list<const char*> words,
                    const CheckpointOptions& options = {}) {
  const auto result = read(std::move(bytes), options);
  ASSERT_FALSE(result.ok()) << "accepted; wanted " << status_name(code);
  test::expect_is_failure(result.status(), code, words);
  EXPECT_THAT(message_of(result.status()), testing::HasSubstr("dir/m.safetensors"));
}

// A header in the place of the tiny file's; the data stay.
std::string with_header(const std::string& header) {
  SafetensorsWriter w = tiny_safetensors();
  w.header = header;
  return w.bytes();
}

TEST(SafetensorsFileTest, ReadsTensorsInTheOrderOfTheirData) {
  const SafetensorsWriter w = tiny_safetensors();
  const auto file = read(w.bytes());
  ASSERT_TRUE(file.ok()) << message_of(file.status());
  ASSERT_EQ(file->tensors.size(), 3u);
  EXPECT_EQ(file->tensors[0].name, "codes");
  EXPECT_EQ(file->tensors[0].dtype, DType::kF8_E4M3);
  EXPECT_EQ(file->tensors[1].name, "odd");
  EXPECT_EQ(file->tensors[1].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(file->tensors[1].offset, 8 + w.header_text().size() + 3);
  EXPECT_EQ(file->tensors[2].size_bytes, 8u);
}

TEST(SafetensorsFileTest, EveryTypeThatHadalKnows) {
  for (const auto& [name, dtype] : {std::pair("F32", DType::kF32),
                                    {"F16", DType::kF16},
                                    {"BF16", DType::kBF16},
                                    {"F8_E4M3", DType::kF8_E4M3},
                                    {"F8_E8M0", DType::kF8_E8M0},
                                    {"F64", DType::kF64},
                                    {"I8", DType::kI8},
                                    {"I16", DType::kI16},
                                    {"I32", DType::kI32},
                                    {"I64", DType::kI64}}) {
    SafetensorsWriter w;
    w.tensor("t", name, {3});
    const auto file = read(w.bytes());
    ASSERT_TRUE(file.ok()) << message_of(file.status());
    EXPECT_EQ(file->tensors[0].dtype, dtype);
  }
  for (const char* name : {"BOOL", "U8", "U16", "F8_E5M2", "F4", "C64"}) {
    SafetensorsWriter w;
    w.tensor("t", name, {3});
    expect_refused(w.bytes(), HADAL_E_UNSUPPORTED, {"tensor t", name});
  }
  SafetensorsWriter w;
  w.tensor("t", "bf16", {3});
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"tensor t", "dtype bf16"});
}

TEST(SafetensorsFileTest, SingleNumbersAndTensorsWithoutElements) {
  SafetensorsWriter w;
  w.tensor("number", "F32", {});
  w.tensor("nothing", "BF16", {3, 0, 1ull << 40});
  w.find("nothing").data.clear();
  w.tensor("also nothing", "BF16", {0});
  w.find("also nothing").data.clear();
  w.tensor("last", "F32", {1});
  const auto file = read(w.bytes());
  ASSERT_TRUE(file.ok()) << message_of(file.status());
  EXPECT_TRUE(read(SafetensorsWriter().bytes()).ok()) << "no tensor at all";
}

TEST(SafetensorsFileTest, WithoutMetadataAndWithPadding) {
  SafetensorsWriter w = tiny_safetensors();
  w.metadata.clear();
  EXPECT_TRUE(read(w.bytes()).ok());
  w.header = w.header_text() + "        ";
  EXPECT_TRUE(read(w.bytes()).ok());
}

TEST(SafetensorsFileTest, RefusesHeadersOfImpossibleLength) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{100'000'001}, uint64_t{1} << 40,
                              UINT64_MAX - 7, UINT64_MAX}) {
    SafetensorsWriter w = tiny_safetensors();
    w.header_size = size;
    expect_refused(w.bytes(), HADAL_E_FORMAT, {"header", "byte 0"});
  }
  SafetensorsWriter w = tiny_safetensors();
  w.header_size = 1000;
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"1000 bytes"});
  w.header_size = w.header_text().size() - 10;
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"not valid JSON"});
  expect_refused("1234567", HADAL_E_FORMAT, {"length of the header"});
}

TEST(SafetensorsFileTest, RefusesWhatIsNoTable) {
  const std::string rest = R"("shape":[3],"data_offsets":[0,3])";
  const struct {
    std::string header;
    const char* words;
  } cases[] = {
      {"[1, 2]", "wanted {"},
      {" {}", "wanted {"},
      {"{ ", "not valid JSON"},
      {"{}{}", "not valid JSON"},
      {"{\"\xff\":{}}", "not valid JSON"},
      {R"({"t":1})", "wanted an object"},
      {R"({"t":[]})", "wanted an object"},
      {R"({"t":null})", "wanted an object"},
      {R"({"t":"x"})", "wanted an object"},
      {R"({"t":{}})", "only some"},
      {R"({"t":{"dtype":"F32"}})", "only some"},
      {R"({"t":{"dtype":7,)" + rest + "}}", "wanted a text"},
      {R"({"t":{"dtype":["F32"],)" + rest + "}}", "wanted a text"},
      {R"({"t":{"dtype":{"a":1},)" + rest + "}}", "found an object"},
      {R"({"t":{"dtype":"F8_E4M3","dtype":"F8_E4M3",)" + rest + "}}", "dtype is given twice"},
      {R"({"t":{"dtype":"F8_E4M3",)" + rest + R"(,"strides":[1]}})", "key strides"},
      {R"({"t":{"dtype":"F8_E4M3","shape":3,"data_offsets":[0,3]}})", "shape"},
      {R"({"t":{"dtype":"F8_E4M3","shape":[[3]],"data_offsets":[0,3]}})", "found an array"},
      {R"({"t":{"dtype":"F8_E4M3","shape":[-3],"data_offsets":[0,3]}})", "whole number"},
      {R"({"t":{"dtype":"F8_E4M3","shape":[3.0],"data_offsets":[0,3]}})", "whole number"},
      {R"({"t":{"dtype":"F8_E4M3","shape":["3"],"data_offsets":[0,3]}})", "found a text"},
      {R"({"t":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0]}})", "two numbers"},
      {R"({"t":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3,3]}})", "more than two"},
      {R"({"t":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[3,0]}})", "behind"},
      {R"({"t":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,18446744073709551616]}})",
       "whole number"},
      {R"({"__metadata__":{"a":{}}})", "found an object"},
      {R"({"__metadata__":{"a":1}})", "__metadata__"},
      {R"({"__metadata__":7})", "__metadata__"},
      {R"({"__metadata__":{},"__metadata__":{}})", "given twice"},
      {R"({"":{"dtype":"F8_E4M3",)" + rest + "}}", "name"},
      {"{\"" + std::string(1025, 'n') + R"(":{"dtype":"F8_E4M3",)" + rest + "}}", "name"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.header.substr(0, 100));
    expect_refused(with_header(one.header), HADAL_E_FORMAT, {one.words});
  }
}

TEST(SafetensorsFileTest, DepthCostsNothing) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string header = R"({"t":)";
    for (int i = 0; i < 1'000'000; ++i) header += open;
    expect_refused(with_header(header), HADAL_E_FORMAT, {});
  }
}

TEST(SafetensorsFileTest, RefusesOverlapsHolesAndTails) {
  SafetensorsWriter w = tiny_safetensors();
  w.find("odd").offsets = {2, 10};
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"tensor odd", "byte 2 of the data, wanted 3"});
  w.find("odd").offsets = {4, 12};
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"tensor odd", "byte 4 of the data, wanted 3"});
  w = tiny_safetensors();
  w.find("codes").offsets = {1, 4};
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"tensor codes", "wanted 0"});
  w = tiny_safetensors();
  w.tail = "x";
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"the tensors end"});
  w = tiny_safetensors();
  w.find("floats").offsets = {11, 19};
  w.find("odd").offsets = {11, 19};
  w.find("codes").offsets = {11, 14};
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"of the data, wanted 0"});
}

TEST(SafetensorsFileTest, RefusesSizesThatAreNotTheShapes) {
  SafetensorsWriter w = tiny_safetensors();
  w.find("odd").shape = {2, 3};
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"tensor odd", "8 bytes", "[2, 3] in bf16 takes 12"});
  // Products that wrap around to the right size.
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{1ull << 32, 1ull << 32},
                                             {1ull << 62, 1ull << 62},
                                             {UINT64_MAX, 2},
                                             {1ull << 63},
                                             {4, (1ull << 62) + 1},
                                             {0, 1ull << 33, 1ull << 33}}) {
    w = tiny_safetensors();
    w.find("odd").shape = shape;
    expect_refused(w.bytes(), HADAL_E_FORMAT, {"tensor odd"});
  }
  w = tiny_safetensors();
  w.find("odd").shape = {2, 0};
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"takes 0"});
}

TEST(SafetensorsFileTest, RefusesTheSameNameTwice) {
  SafetensorsWriter w = tiny_safetensors();
  w.find("odd").name = "codes";
  expect_refused(w.bytes(), HADAL_E_FORMAT, {"codes", "given twice"});
}

TEST(SafetensorsFileTest, HasLimits) {
  SafetensorsWriter w;
  w.tensor("t", "F32", {1, 1, 1, 1, 1, 1, 1, 1, 1});
  expect_refused(w.bytes(), HADAL_E_UNSUPPORTED, {"8 dimensions"});

  CheckpointOptions options;
  options.limit_tensors = 2;
  expect_refused(tiny_safetensors().bytes(), HADAL_E_LIMIT, {"more than 2 tensors"}, options);
  options.limit_tensors = 4;
  SafetensorsTotals totals;
  EXPECT_TRUE(read(tiny_safetensors().bytes(), options, &totals).ok());
  EXPECT_EQ(totals.n_tensors, 3u);
  const auto second = read(tiny_safetensors().bytes(), options, &totals);
  ASSERT_FALSE(second.ok());
  test::expect_is_failure(second.status(), HADAL_E_LIMIT, {"more than 1 tensors"});

  options.limit_tensors = 3;
  options.limit_string_bytes = 1;
  SafetensorsWriter padded = tiny_safetensors();
  padded.header = padded.header_text() + std::string(1000, ' ');
  expect_refused(padded.bytes(), HADAL_E_LIMIT, {"a header of"}, options);
}

TEST(SafetensorsFileTest, PassesOnThatReadingFailed) {
  test::MemoryFiles memory;
  memory.put("m", tiny_safetensors().bytes());
  const auto file = memory.files().open("m");
  memory.fail_read(0, HADAL_E_IO);
  SafetensorsTotals totals;
  const auto result = read_safetensors_file(*file, {}, totals);
  ASSERT_FALSE(result.ok());
  test::expect_is_failure(result.status(), HADAL_E_IO, {"m"});
}

// Cut anywhere, or with any bit turned: an error that says why, or a table that a second reader
// finds right. Memory is read past no end, as the sanitizers see.
TEST(SafetensorsFileTest, CutsAndTurnedBits) {
  const std::string whole = tiny_safetensors().bytes();
  for (size_t n = 0; n < whole.size(); ++n) {
    const auto cut = read(whole.substr(0, n));
    ASSERT_FALSE(cut.ok()) << n;
    EXPECT_EQ(code_of(cut.status()), HADAL_E_FORMAT) << n;
    EXPECT_NE(hint_of(cut.status()), "");
  }
  int n_accepted = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string turned = whole;
    turned[bit / 8] = static_cast<char>(turned[bit / 8] ^ (1 << bit % 8));
    const auto result = read(turned);  // compares with the second reader
    n_accepted += result.ok();
    EXPECT_EQ(result.ok(), hint_of(result.status()).empty()) << bit;
  }
  EXPECT_GT(n_accepted, 8 * 19) << "the bits of the data, at least";
}

}  // namespace
}  // namespace hadal
