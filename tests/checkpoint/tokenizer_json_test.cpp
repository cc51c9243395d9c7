// Mirrors lib/checkpoint/tokenizer_json.
#include "lib/checkpoint/tokenizer_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "lib/base/json.hpp"
#include "lib/text/tokenizer.hpp"
#include "tests/checkpoint/opening.hpp"

namespace hadal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string golden(const char* name) {
  return test::read_test_file(std::string("golden/text/") + name);
}

// A small tokenizer.json, as a value to spoil.
SortedJson small() {
  return *parse_sorted_json(R"re({
    "normalizer": {"type": "Sequence", "normalizers": []},
    "added_tokens": [
      {"id": 3, "content": "<s>", "special": true},
      {"id": 6, "content": "<think>", "special": false},
      {"id": 7, "content": "<｜User｜>", "special": false}],
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "[\\r\\n]"}, "behavior": "Isolated", "invert": false},
      {"type": "Split", "pattern": {"Regex": "\\s?\\p{L}+"}, "behavior": "Isolated"},
      {"type": "Split", "pattern": {"Regex": "\\s?\\p{P}+"}, "behavior": "Isolated"},
      {"type": "Split", "pattern": {"Regex": "[一-龥ࠀ-一가-퟿]+"}, "behavior": "Isolated"},
      {"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<s>": 3}, "merges": ["a b"]}
  })re",
                            "small");
}

absl::StatusOr<Vocabulary> read(const SortedJson& json, absl::string_view config = "") {
  return read_tokenizer_json(json.dump(), config, "dir/tokenizer.json");
}

TEST(TokenizerJsonTest, TokensKindsAndMerges) {
  const auto vocabulary = read(small());
  ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
  ASSERT_EQ(vocabulary->tokens.size(), 8u);
  EXPECT_EQ(vocabulary->tokens[2].text, "ab");
  EXPECT_EQ(vocabulary->tokens[2].kind, TokenKind::kNormal);
  EXPECT_EQ(vocabulary->tokens[3].kind, TokenKind::kControl);
  EXPECT_EQ(vocabulary->tokens[4].kind, TokenKind::kUnused);  // a gap
  EXPECT_EQ(vocabulary->tokens[6].kind, TokenKind::kUserDefined);
  EXPECT_EQ(vocabulary->tokens[7].kind, TokenKind::kControl);  // looks special
  EXPECT_THAT(vocabulary->merges, ElementsAre("a b"));
  EXPECT_EQ(vocabulary->pre_tokenizer, "deepseek-coder");
  EXPECT_EQ(vocabulary->source, "dir/tokenizer.json");
  EXPECT_EQ(vocabulary->bos_id, std::nullopt);
}

TEST(TokenizerJsonTest, MergesAsPairs) {
  SortedJson json = small();
  json["model"]["merges"] = SortedJson::parse(R"([["a", "b"]])");
  EXPECT_THAT(read(json)->merges, ElementsAre("a b"));
}

TEST(TokenizerJsonTest, ConfigurationNamesBosEosAndTemplate) {
  const auto vocabulary = read(small(), R"({"bos_token": "<s>", "add_bos_token": true,
      "eos_token": {"content": "<think>"}, "chat_template": "{{ x }}"})");
  ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
  EXPECT_EQ(vocabulary->bos_id, 3);
  EXPECT_THAT(vocabulary->eos_ids, ElementsAre(6));
  EXPECT_TRUE(vocabulary->add_bos);
  EXPECT_EQ(vocabulary->chat_template, "{{ x }}");

  EXPECT_EQ(read(small(), R"({"chat_template": [{"name": "tool_use", "template": "t"},
                                                {"name": "default", "template": "d"}]})")
                ->chat_template,
            "d");
  EXPECT_FALSE(read(small(), R"({"bos_token": null, "add_bos_token": false})")->add_bos);
}

// T1: what the class of the tokenizer says does not matter.
TEST(TokenizerJsonTest, TokenizerClassIsNotBelieved) {
  const auto vocabulary = read(small(), R"({"tokenizer_class": "LlamaTokenizer"})");
  EXPECT_TRUE(vocabulary.ok());
}

TEST(TokenizerJsonTest, RealFilesAreDeepseekV3) {
  for (const char* name : {"story-tokenizer.json", "v3-tokenizer.json"}) {
    const auto vocabulary = read_tokenizer_json(golden(name), "", name);
    ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
    EXPECT_EQ(vocabulary->pre_tokenizer, "deepseek-v3");
    EXPECT_TRUE(Tokenizer::create(*vocabulary).ok());
  }
}

// T2: other rules are refused, not taken for similar ones.
TEST(TokenizerJsonTest, OtherRulesAreUnsupported) {
  SortedJson json = small();
  json["pre_tokenizer"]["pretokenizers"][1]["pattern"]["Regex"] = "\\p{L}+";
  auto vocabulary = read(json);
  EXPECT_EQ(code_of(vocabulary.status()), HADAL_E_UNSUPPORTED);
  EXPECT_THAT(message_of(vocabulary.status()), HasSubstr("\\p{L}+"));

  json = small();
  json["pre_tokenizer"]["pretokenizers"].erase(2);
  EXPECT_EQ(code_of(read(json).status()), HADAL_E_UNSUPPORTED);
}

// Every place of the file holding something else in turn: a status, or a vocabulary that the
// tokenizer judges; never a crash.
TEST(TokenizerJsonTest, AnyPlaceMayHoldAnything) {
  const std::vector<SortedJson> values = {nullptr,
                                          true,
                                          -1,
                                          3,
                                          1e300,
                                          UINT64_MAX,
                                          "",
                                          "Split",
                                          SortedJson::array(),
                                          SortedJson::object(),
                                          SortedJson::parse(R"([{"id": 4194304, "content": "x"}])"),
                                          SortedJson::parse(R"({"a": 2147483648})"),
                                          SortedJson::parse(R"({"a": -1})")};
  const SortedJson flat = small().flatten();
  int n_refused = 0;
  for (const auto& [path, unused] : flat.items()) {
    for (auto place = SortedJson::json_pointer(path); !place.empty(); place.pop_back()) {
      for (const SortedJson& value : values) {
        SortedJson json = small();
        json[place] = value;
        const auto vocabulary = read(json);
        if (!vocabulary.ok()) {
          ++n_refused;
          EXPECT_THAT(message_of(vocabulary.status()), HasSubstr("dir/tokenizer.json"));
          EXPECT_FALSE(hint_of(vocabulary.status()).empty());
        } else {
          EXPECT_LT(vocabulary->tokens.size(), size_t{1} << 22);
          EXPECT_EQ(code_of(Tokenizer::create(*vocabulary).status()), HADAL_E_FORMAT);
        }
      }
    }
  }
  EXPECT_GT(n_refused, 200);
}

// What tokenizers made of a tiktoken.model may ask for.
TEST(TokenizerJsonTest, IgnoreMergesFindsPiecesWhole) {
  SortedJson json = small();
  EXPECT_FALSE(read(json)->whole_pieces);
  json["model"]["ignore_merges"] = true;
  EXPECT_TRUE(read(json)->whole_pieces);
}

TEST(TokenizerJsonTest, ContradictionsAreRefused) {
  SortedJson json = small();
  json["model"]["vocab"]["c"] = 1;  // id of "b"
  EXPECT_EQ(code_of(read(json).status()), HADAL_E_FORMAT);
  json = small();
  json["added_tokens"][1]["id"] = 1;  // "b" by the vocabulary
  EXPECT_EQ(code_of(read(json).status()), HADAL_E_FORMAT);
  json = small();
  json["added_tokens"][0]["lstrip"] = true;
  EXPECT_EQ(code_of(read(json).status()), HADAL_E_UNSUPPORTED);
  EXPECT_EQ(code_of(read(small(), R"({"bos_token": "<none>"})").status()), HADAL_E_FORMAT);
}

TEST(TokenizerJsonTest, TruncatedAnywhereIsRefused) {
  const std::string text = small().dump();
  for (size_t n = 0; n < text.size(); ++n) {
    const auto vocabulary = read_tokenizer_json(absl::string_view(text).substr(0, n), "", "cut");
    ASSERT_EQ(code_of(vocabulary.status()), HADAL_E_FORMAT) << n;
  }
}

}  // namespace
}  // namespace hadal
