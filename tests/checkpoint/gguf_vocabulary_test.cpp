// The vocabulary of a GGUF file, sound and damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/opening.hpp"

namespace hadal {
namespace {

using test::expect_is_failure;
using test::GgufWriter;
using test::open_writer;
using test::raw;
using test::tiny_model;

absl::StatusOr<Vocabulary> vocabulary_of(const GgufWriter& w) {
  const auto file = open_writer(w);
  if (!file->ok()) return file->result.status();
  return (*file)->vocabulary();
}

void expect_no_vocabulary(const GgufWriter& w, hadal_status code,
                          std::initializer_list<const char*> words) {
  const auto result = vocabulary_of(w);
  ASSERT_FALSE(result.ok());
  expect_is_failure(result.status(), code, words);
}

TEST(GgufVocabularyTest, ReadsAllOfIt) {
  const auto result = vocabulary_of(tiny_model());
  ASSERT_TRUE(result.ok()) << message_of(result.status());
  const Vocabulary& v = *result;
  EXPECT_EQ(v.source, "dir/m.gguf");
  EXPECT_EQ(v.pre_tokenizer, "deepseek-v3");
  ASSERT_EQ(v.tokens.size(), 8u);
  EXPECT_EQ(v.tokens[0].text, "<bos>");
  EXPECT_EQ(v.tokens[0].kind, TokenKind::kControl);
  EXPECT_EQ(v.tokens[4].text, "ab");
  EXPECT_EQ(v.tokens[4].kind, TokenKind::kNormal);
  EXPECT_EQ(v.tokens[5].kind, TokenKind::kUserDefined);
  EXPECT_EQ(v.tokens[6].kind, TokenKind::kUnused);
  EXPECT_EQ(v.tokens[7].kind, TokenKind::kControl) << "unknown";
  EXPECT_THAT(v.merges, testing::ElementsAre("a b"));
  EXPECT_EQ(v.bos_id, 0);
  EXPECT_THAT(v.eos_ids, testing::ElementsAre(1));
  EXPECT_TRUE(v.add_bos);
  EXPECT_EQ(v.chat_template, "{{ messages }}");
}

TEST(GgufVocabularyTest, GathersEveryEndOfATurnOnce) {
  GgufWriter w = tiny_model();
  w.set_u32("tokenizer.ggml.eot_token_id", 5).set_u32("tokenizer.ggml.eom_token_id", 1);
  w.set_bool("tokenizer.ggml.add_bos_token", false);
  const auto v = vocabulary_of(w);
  ASSERT_TRUE(v.ok());
  EXPECT_THAT(v->eos_ids, testing::ElementsAre(1, 5));
  EXPECT_FALSE(v->add_bos);
}

TEST(GgufVocabularyTest, DoesWithoutWhatIsOptional) {  // F9: the padding token is never needed
  GgufWriter w = tiny_model();
  for (const char* key : {"token_type", "bos_token_id", "eos_token_id", "add_bos_token", "pre"}) {
    w.remove(std::string("tokenizer.ggml.") + key);
  }
  w.remove("tokenizer.chat_template");
  w.set_u32("tokenizer.ggml.padding_token_id", 128815);
  const auto v = vocabulary_of(w);
  ASSERT_TRUE(v.ok()) << message_of(v.status());
  EXPECT_EQ(v->bos_id, std::nullopt);
  EXPECT_TRUE(v->eos_ids.empty());
  EXPECT_EQ(v->tokens[0].kind, TokenKind::kNormal);
}

TEST(GgufVocabularyTest, BosWhereTheFileIsSilentIsDeepSeeksCustomAndNotKimis) {
  GgufWriter w = tiny_model();
  w.remove("tokenizer.ggml.add_bos_token");
  EXPECT_TRUE(vocabulary_of(w)->add_bos);
  w.set_text("tokenizer.ggml.pre", "kimi-k2");
  EXPECT_FALSE(vocabulary_of(w)->add_bos);
}

TEST(GgufVocabularyTest, ReadsABoolWrittenAsAByte) {
  GgufWriter w = tiny_model();
  w.set_raw("tokenizer.ggml.add_bos_token", 0, raw(uint8_t{0}));
  EXPECT_FALSE(vocabulary_of(w)->add_bos);
  w.set_raw("tokenizer.ggml.add_bos_token", 0, raw(uint8_t{7}));
  expect_no_vocabulary(w, HADAL_E_FORMAT, {"add_bos_token", "found 7"});
}

TEST(GgufVocabularyTest, RefusesAnIncompleteOne) {
  for (const char* key : {"model", "tokens", "merges"}) {
    GgufWriter w = tiny_model();
    w.remove(std::string("tokenizer.ggml.") + key);
    expect_no_vocabulary(w, HADAL_E_FORMAT, {"tokenizer.ggml.model"});
  }
}

TEST(GgufVocabularyTest, RefusesOtherTokenizers) {
  GgufWriter w = tiny_model();
  w.set_text("tokenizer.ggml.model", "llama");
  expect_no_vocabulary(w, HADAL_E_UNSUPPORTED, {"tokenizer.ggml.model", "llama"});
}

TEST(GgufVocabularyTest, RefusesKindsThatDoNotFitTheTokens) {
  GgufWriter w = tiny_model();
  w.set_i32s("tokenizer.ggml.token_type", {3, 3});
  expect_no_vocabulary(w, HADAL_E_FORMAT, {"token_type", "8 elements", "found 2"});
  for (const int32_t kind : {-1, 0, 6, 7, INT32_MAX, INT32_MIN}) {
    w.set_i32s("tokenizer.ggml.token_type", {3, 3, kind, 1, 1, 1, 1, 1});
    expect_no_vocabulary(w, HADAL_E_FORMAT, {"token_type", "token 2"});
  }
  w.set_raw("tokenizer.ggml.token_type", 9,
            raw(uint32_t{10}) + raw(uint64_t{8}) + std::string(64, '\xff'));
  expect_no_vocabulary(w, HADAL_E_FORMAT, {"token_type", "token 0"});
}

TEST(GgufVocabularyTest, RefusesMoreTokensThanRows) {
  GgufWriter w = tiny_model();
  w.set_u32("deepseek2.vocab_size", 7);
  expect_no_vocabulary(w, HADAL_E_FORMAT, {"tokens", "1 to 7", "found 8"});
  w = tiny_model();
  w.set_strings("tokenizer.ggml.tokens", {});
  expect_no_vocabulary(w, HADAL_E_FORMAT, {"tokens", "found 0"});
}

TEST(GgufVocabularyTest, RefusesIdsThatAreNoTokens) {
  for (const char* key : {"bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id"}) {
    const std::string full = std::string("tokenizer.ggml.") + key;
    GgufWriter w = tiny_model();
    w.set_u32(full, 8);
    expect_no_vocabulary(w, HADAL_E_FORMAT, {key, "found 8"});
    w.set_u32(full, UINT32_MAX);
    expect_no_vocabulary(w, HADAL_E_FORMAT, {key, "4294967295"});
    w.set_raw(full, 5, raw(int32_t{-1}));
    expect_no_vocabulary(w, HADAL_E_FORMAT, {key, "-1"});
  }
}

}  // namespace
}  // namespace hadal
