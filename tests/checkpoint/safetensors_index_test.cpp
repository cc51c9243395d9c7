// Mirrors lib/checkpoint/safetensors_index and safetensors_set.
#include "lib/checkpoint/safetensors_index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/checkpoint/safetensors_set.hpp"
#include "tests/checkpoint/memory_files.hpp"
#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/safetensors_writer.hpp"

namespace hadal {
namespace {

using testing::ElementsAre;
using testing::Pair;

absl::StatusOr<SafetensorsIndex> read(const std::string& text,
                                      const CheckpointOptions& options = {}) {
  return read_safetensors_index(text, "dir/index.json", options);
}

void expect_refused(const std::string& text, hadal_status code,
                    std::initializer_list<const char*> words,
                    const CheckpointOptions& options = {}) {
  const auto result = read(text, options);
  ASSERT_FALSE(result.ok()) << text.substr(0, 200);
  test::expect_is_failure(result.status(), code, words);
  EXPECT_THAT(message_of(result.status()), testing::HasSubstr("dir/index.json"));
}

std::string index_of(const std::string& map) { return R"({"weight_map":)" + map + "}"; }

TEST(SafetensorsIndexTest, ReadsTensorsAndFilesInAnyOrder) {
  const auto index = read(R"({"weight_map": {"b": "2.safetensors", "a": "1.safetensors",
      "c": "2.safetensors"}, "metadata": {"total_size": 12, "other": [{"deep": [null, -1.5]}]},
      "more": ["x", {}]})");
  ASSERT_TRUE(index.ok()) << message_of(index.status());
  EXPECT_THAT(index->files, ElementsAre("1.safetensors", "2.safetensors"));
  EXPECT_THAT(index->tensors, ElementsAre(Pair("b", 1), Pair("a", 0), Pair("c", 1)));
}

TEST(SafetensorsIndexTest, NamesStayInsideTheFolder) {
  for (const char* name :
       {"../m.safetensors", "/etc/m.safetensors", "a/../../m.safetensors", "sub/m.safetensors",
        "..", ".", "", "a\\\\m.safetensors", "C:m.safetensors", ".hidden.safetensors", "m.bin",
        "m.safetensors/", "a\\u0000.safetensors", "a\\n.safetensors"}) {
    expect_refused(index_of(absl::StrCat(R"({"t": ")", name, "\"}")), HADAL_E_FORMAT,
                   {"weight_map", "plain name"});
  }
  expect_refused(index_of(absl::StrCat(R"({"t": ")", std::string(250, 'n'), ".safetensors\"}")),
                 HADAL_E_FORMAT, {"plain name"});
}

TEST(SafetensorsIndexTest, RefusesWhatIsNoIndex) {
  const struct {
    const char *text, *words;
  } cases[] = {
      {"", "not valid JSON"},
      {"{", "not valid JSON"},
      {"[]", "wanted an object"},
      {"3", "wanted an object"},
      {"\"x\"", "wanted an object"},
      {"{}", "weight_map"},
      {R"({"metadata": {}})", "weight_map"},
      {R"({"weight_map": {}})", "wanted tensors"},
      {R"({"weight_map": []})", "weight_map"},
      {R"({"weight_map": ["1.safetensors"]})", "weight_map"},
      {R"({"weight_map": "1.safetensors"})", "weight_map"},
      {R"({"weight_map": 1})", "weight_map"},
      {R"({"weight_map": null})", "weight_map"},
      {R"({"weight_map": {"t": 1}})", "weight_map"},
      {R"({"weight_map": {"t": {"u": "1.safetensors"}}})", "weight_map"},
      {R"({"weight_map": {"t": ["1.safetensors"]}})", "weight_map"},
      {R"({"weight_map": {"t": "1.safetensors", "t": "1.safetensors"}})", "t is given twice"},
      {R"({"weight_map": {"t": "1.safetensors"}, "weight_map": {}})", "given twice"},
      {R"({"weight_map": {"": "1.safetensors"}})", "name"},
      {R"({"weight_map": {"t": "1.safetensors"}} x)", "not valid JSON"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.text);
    expect_refused(one.text, HADAL_E_FORMAT, {one.words});
  }
}

TEST(SafetensorsIndexTest, HasLimits) {
  std::string deep = R"({"metadata": )";
  for (int i = 0; i < 1'000'000; ++i) deep += "[";
  expect_refused(deep, HADAL_E_FORMAT, {"64 levels"});
  CheckpointOptions options;
  options.limit_tensors = 1;
  expect_refused(index_of(R"({"a": "1.safetensors", "b": "1.safetensors"})"), HADAL_E_LIMIT,
                 {"more than 1 tensors"}, options);
  options.limit_tensors = 2;
  options.limit_shards = 1;
  expect_refused(index_of(R"({"a": "1.safetensors", "b": "2.safetensors"})"), HADAL_E_LIMIT,
                 {"more than 1 files"}, options);
}

TEST(SafetensorsIndexTest, CutAnywhere) {
  const std::string whole = index_of(R"({"a": "1.safetensors", "b": "2.safetensors"})");
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(read(whole.substr(0, n)).ok()) << n;
}

TEST(SafetensorsIndexTest, AnyBitTurned) {
  const std::string whole = index_of(R"({"a": "1.safetensors", "b": "2.safetensors"})");
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string turned = whole;
    turned[bit / 8] = static_cast<char>(turned[bit / 8] ^ (1 << bit % 8));
    const auto result = read(turned);
    EXPECT_EQ(result.ok(), hint_of(result.status()).empty()) << bit;
    EXPECT_NE(code_of(result.status()), HADAL_E_INTERNAL) << bit;
  }
}

// ---- The set ------------------------------------------------------------------------------------

class SafetensorsSetTest : public testing::Test {
 protected:
  SafetensorsSetTest() {
    test::SafetensorsWriter one, two;
    one.tensor("a", "F32", {1});
    one.tensor("both", "F32", {1});
    two.tensor("both", "BF16", {2});
    two.tensor("c", "F32", {1});
    memory_.put("dir/1.safetensors", one.bytes());
    memory_.put("dir/2.safetensors", two.bytes());
  }
  absl::StatusOr<SafetensorsSet> open(const std::string& map,
                                      const CheckpointOptions& options = {}) {
    const auto index = read(index_of(map));
    EXPECT_TRUE(index.ok());
    return read_safetensors_set(memory_.files(), "dir/", *index, "dir/index.json", options);
  }
  void expect_refused(const std::string& map, hadal_status code,
                      std::initializer_list<const char*> words) {
    const auto result = open(map);
    ASSERT_FALSE(result.ok());
    test::expect_is_failure(result.status(), code, words);
    EXPECT_EQ(memory_.n_open(), 0);
  }
  test::MemoryFiles memory_;
};

// "both" lies in two files: the index says which one counts. "c" is none of the model's.
TEST_F(SafetensorsSetTest, TheIndexSaysWhatBelongsToTheModel) {
  const auto set = open(R"({"both": "2.safetensors", "a": "1.safetensors"})");
  ASSERT_TRUE(set.ok()) << message_of(set.status());
  ASSERT_EQ(set->files.size(), 2u);
  ASSERT_EQ(set->files[0].tensors.size(), 1u);
  EXPECT_EQ(set->files[0].tensors[0].name, "a");
  ASSERT_EQ(set->files[1].tensors.size(), 1u);
  EXPECT_EQ(set->files[1].tensors[0].dtype, DType::kBF16);
  EXPECT_TRUE(set->missing.empty());
}

TEST_F(SafetensorsSetTest, NamesWhatIsMissing) {
  expect_refused(R"({"a": "2.safetensors", "c": "2.safetensors"})", HADAL_E_FORMAT,
                 {"dir/index.json", "tensor a", "2.safetensors"});
  expect_refused(R"({"a": "1.safetensors", "x": "1.safetensors"})", HADAL_E_FORMAT, {"tensor x"});
  expect_refused(R"({"a": "1.safetensors", "d": "3.safetensors"})", HADAL_E_NOT_FOUND,
                 {"file 2 of 2", "dir/3.safetensors"});
}

TEST_F(SafetensorsSetTest, LeavesOutMissingFilesWhereTheyMayBe) {
  CheckpointOptions options;
  options.allow_missing_files = true;
  const auto set =
      open(R"({"b": "0.safetensors", "c": "2.safetensors", "d": "3.safetensors"})", options);
  ASSERT_TRUE(set.ok()) << message_of(set.status());
  ASSERT_EQ(set->files.size(), 1u);
  ASSERT_EQ(set->files[0].tensors.size(), 1u);
  EXPECT_EQ(set->files[0].tensors[0].name, "c");
  EXPECT_EQ(set->missing, (std::vector<std::string>{"dir/0.safetensors", "dir/3.safetensors"}));

  // What a file that is there lacks is still a contradiction; and something has to be there.
  const auto lacking = open(R"({"x": "1.safetensors", "d": "3.safetensors"})", options);
  ASSERT_FALSE(lacking.ok());
  test::expect_is_failure(lacking.status(), HADAL_E_FORMAT, {"tensor x", "1.safetensors"});
  const auto none = open(R"({"a": "8.safetensors", "d": "9.safetensors"})", options);
  ASSERT_FALSE(none.ok());
  test::expect_is_failure(none.status(), HADAL_E_NOT_FOUND, {"file 2 of 2"});
  EXPECT_EQ(memory_.n_open(), 1);  // the set above
}

TEST_F(SafetensorsSetTest, CountsTheTensorsOfAllFiles) {
  CheckpointOptions options;
  options.limit_tensors = 3;
  const auto result = open(R"({"a": "1.safetensors", "c": "2.safetensors"})", options);
  ASSERT_FALSE(result.ok());
  test::expect_is_failure(result.status(), HADAL_E_LIMIT, {"file 2 of 2"});
}

}  // namespace
}  // namespace hadal
