// Mirrors lib/text/tokenizer.
#include "lib/text/tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <random>

#include "tests/text/text_fixture.hpp"

namespace hadal {
namespace {

using test::Ids;
using testing::HasSubstr;

// What creating fails with.
absl::Status refusal(Vocabulary vocabulary) {
  return Tokenizer::create(std::move(vocabulary)).status();
}

TEST(TokenizerTest, DecodeLeavesOutControlTokensAndKeepsUserDefinedOnes) {
  const auto tokenizer = test::tokenizer_of(test::small_vocabulary(
      {}, {{"<c>"}, {"<think>", TokenKind::kUserDefined}, {"pad", TokenKind::kUnused}}));
  const Ids ids = {'a', 256, 257, 258, 'b'};
  EXPECT_EQ(tokenizer->decode(ids, false), "a<think>b");
  EXPECT_EQ(tokenizer->decode(ids, true), "a<c><think>b");
  EXPECT_EQ(tokenizer->bytes(256), "<c>");
  EXPECT_EQ(tokenizer->bytes(258), "");
  EXPECT_TRUE(tokenizer->has_text(257));
  EXPECT_FALSE(tokenizer->has_text(258));
  EXPECT_EQ(tokenizer->n_tokens(), 259);
}

TEST(TokenizerTest, IdOutsideTheVocabularyIsACallersBug) {
  const auto tokenizer = test::tokenizer_of(test::small_vocabulary({}, {}));
  EXPECT_THROW(tokenizer->bytes(256), InternalError);
  EXPECT_THROW(tokenizer->bytes(-1), InternalError);
  EXPECT_THROW(tokenizer->decode(Ids{0, 256}, true), InternalError);
}

// T10: what people write never becomes a special token.
TEST(TokenizerTest, TextOfSpecialTokensStaysTextUnlessAskedFor) {
  const auto tokenizer = test::story_tokenizer();
  std::string all;
  for (int32_t id = 0; id < tokenizer->n_tokens(); ++id) {
    if (tokenizer->kind(id) != TokenKind::kNormal) all += std::string(tokenizer->bytes(id)) + "x";
  }
  ASSERT_THAT(all, HasSubstr("<｜Assistant｜>"));
  const Ids plain = tokenizer->encode(all, false);
  for (const int32_t id : plain) EXPECT_EQ(tokenizer->kind(id), TokenKind::kNormal) << id;
  EXPECT_EQ(tokenizer->decode(plain, false), all);

  const Ids special = tokenizer->encode(all, true);
  EXPECT_LT(special.size(), plain.size());
  EXPECT_TRUE(std::find(special.begin(), special.end(), 4085) != special.end());
}

// T11: ASCII bars and low lines are not the markers.
TEST(TokenizerTest, AsciiBarsAreOrdinaryText) {
  const auto tokenizer = test::story_tokenizer();
  for (const int32_t id : tokenizer->encode("<|User|>Hi<|Assistant|><|begin_of_sentence|>", true)) {
    EXPECT_EQ(tokenizer->kind(id), TokenKind::kNormal);
  }
}

TEST(TokenizerTest, MergesNeverLeadToASpecialToken) {
  Vocabulary vocabulary = test::small_vocabulary({{"<", "c"}, {"<c", ">"}}, {});
  vocabulary.tokens.back().kind = TokenKind::kControl;  // "<c>" is special after all
  EXPECT_EQ(code_of(refusal(vocabulary)), HADAL_E_FORMAT);
}

// T1: spaces, CJK, emoji, code.
TEST(TokenizerTest, TextSurvivesTheRoundTrip) {
  const auto tokenizer = test::story_tokenizer();
  for (const std::string text : {"  leading and trailing  ", "a b  c   d",
                                 "你好，世界！ こんにちは", "👩‍👩‍👧‍👦 🚀\u200D",
                                 "def f(x):\n\treturn x  # y\r\n", "Ġ Ċ are letters here"}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false), false), text);
  }
}

TEST(TokenizerTest, AnyBytesSurviveTheRoundTrip) {
  const auto tokenizer = test::story_tokenizer();
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) text.push_back(static_cast<char>(random() % 256));
    for (const bool parse_special : {false, true}) {
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, parse_special), true), text);
    }
  }
}

// One million equal letters are one piece for every one of the pre-tokenizers.
TEST(TokenizerTest, LongPieceTakesNoLongTime) {
  for (const char* rules : {"deepseek-v3", "deepseek-llm", "deepseek-coder", "kimi-k2"}) {
    const auto tokenizer = test::story_tokenizer(rules);
    const std::string text(size_t{1} << 20, 'a');
    const std::clock_t start = std::clock();
    const Ids ids = tokenizer->encode(text, true);
    const std::clock_t time = std::clock() - start;
    EXPECT_EQ(tokenizer->decode(ids, true), text);
    EXPECT_LT(time / CLOCKS_PER_SEC, 20);  // a second or two under sanitizers; hours if quadratic
  }
}

TEST(TokenizerTest, ManyStartsOfSpecialTokensTakeNoLongTime) {
  const auto tokenizer = test::story_tokenizer();
  std::string text;
  while (text.size() < (size_t{1} << 20)) text += "<｜tool▁calls▁begi";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true), true), text);
}

TEST(TokenizerTest, EndsOfGenerationAreTheFilesAndTheFamilys) {
  const auto story = test::story_tokenizer();
  EXPECT_TRUE(story->ends_generation(1));
  EXPECT_TRUE(story->ends_generation(*story->find_special("<｜User｜>")));
  EXPECT_TRUE(story->ends_generation(*story->find_special("<|EOT|>")));
  EXPECT_FALSE(story->ends_generation(*story->find_special("<｜Assistant｜>")));
  EXPECT_FALSE(story->ends_generation(100));

  const auto kimi = test::kimi_bytes_tokenizer();
  EXPECT_TRUE(kimi->ends_generation(*kimi->find_special("<|im_end|>")));
  EXPECT_TRUE(kimi->ends_generation(*kimi->find_special("[EOS]")));

  Vocabulary other = test::small_vocabulary({}, {{"<stop>"}});
  other.eos_ids = {256, 'x'};
  EXPECT_TRUE(test::tokenizer_of(other)->ends_generation('x'));
}

TEST(TokenizerTest, BosIsWantedOnlyWhereThereIsOne) {
  Vocabulary vocabulary = test::small_vocabulary({}, {{"<s>"}});
  vocabulary.add_bos = true;
  EXPECT_FALSE(test::tokenizer_of(vocabulary)->add_bos());
  vocabulary.bos_id = 256;
  EXPECT_TRUE(test::tokenizer_of(vocabulary)->add_bos());
  EXPECT_EQ(test::tokenizer_of(vocabulary)->bos_id(), 256);
}

TEST(TokenizerTest, FirstOfTokensWithEqualTextCounts) {
  Vocabulary vocabulary = test::small_vocabulary({{"a", "b"}}, {});
  vocabulary.tokens.push_back(vocabulary.tokens.back());
  vocabulary.tokens.push_back(vocabulary.tokens['a']);
  const auto tokenizer = test::tokenizer_of(vocabulary);
  EXPECT_EQ(tokenizer->encode("ab", false), (Ids{256}));
  EXPECT_EQ(tokenizer->encode("a", false), (Ids{'a'}));
  EXPECT_EQ(tokenizer->bytes(257), "ab");
}

TEST(TokenizerTest, PaddingHasNoTextWhateverItsKind) {
  const auto tokenizer = test::tokenizer_of(test::small_vocabulary(
      {}, {{"[PAD256]", TokenKind::kUserDefined}, {"[PAD999]", TokenKind::kUserDefined}}));
  EXPECT_FALSE(tokenizer->has_text(256));
  EXPECT_TRUE(tokenizer->has_text(257));
}

// As V2's vocabulary: UTF-8 never uses these bytes.
TEST(TokenizerTest, LackingBytesThatUtf8NeverUsesBecomeReplacementCharacters) {
  Vocabulary vocabulary = test::small_vocabulary({}, {});
  for (const size_t byte : {0xC0u, 0xC1u, 0xF5u, 0xFFu}) {
    vocabulary.tokens[byte] = {"", TokenKind::kUnused};
  }
  const auto tokenizer = test::tokenizer_of(vocabulary);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xFFz\xC0", false), false), "a\uFFFDz\uFFFD");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("na\u00EFve \xFE", false), false),
            "na\u00EFve \xFE");
}

TEST(TokenizerTest, LackingAnyOtherByteIsRefused) {
  for (const size_t byte : {size_t{'a'}, size_t{0}, size_t{0x80}, size_t{0xF4}}) {
    Vocabulary vocabulary = test::small_vocabulary({}, {});
    vocabulary.tokens[byte] = {"", TokenKind::kUnused};
    const absl::Status status = refusal(vocabulary);
    EXPECT_EQ(code_of(status), HADAL_E_FORMAT);
    EXPECT_THAT(message_of(status), HasSubstr(absl::StrCat("byte ", byte)));
  }
}

TEST(TokenizerTest, UnknownPreTokenizerIsUnsupportedAndTheMessageListsThem) {
  Vocabulary vocabulary = test::small_vocabulary({}, {});
  vocabulary.pre_tokenizer = "llama-bpe";
  const absl::Status status = refusal(vocabulary);
  EXPECT_EQ(code_of(status), HADAL_E_UNSUPPORTED);
  EXPECT_THAT(message_of(status), HasSubstr("small: pre-tokenizer 'llama-bpe'"));
  EXPECT_THAT(message_of(status), HasSubstr("kimi-k2"));
}

TEST(TokenizerTest, MergesThatSpeakOfNothingAreRefused) {
  for (const char* merge : {"a", "", "a zz", "zz a", "x y", "a  b", " a", "a "}) {
    Vocabulary vocabulary = test::small_vocabulary({{"a", "b"}}, {});
    vocabulary.merges.push_back(merge);
    const absl::Status status = refusal(vocabulary);
    EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << merge;
    EXPECT_THAT(message_of(status), HasSubstr("merge 1"));
  }
}

TEST(TokenizerTest, IdsBeyondTheVocabularyAreRefused) {
  for (const int32_t id : {-1, 256, INT32_MAX}) {
    Vocabulary vocabulary = test::small_vocabulary({}, {});
    vocabulary.bos_id = id;
    EXPECT_EQ(code_of(refusal(vocabulary)), HADAL_E_FORMAT);
    vocabulary.bos_id.reset();
    vocabulary.eos_ids = {id};
    EXPECT_EQ(code_of(refusal(vocabulary)), HADAL_E_FORMAT);
  }
  EXPECT_EQ(code_of(refusal([] {
              Vocabulary empty;
              empty.pre_tokenizer = "deepseek-v3";
              return empty;
            }())),
            HADAL_E_FORMAT);
}

TEST(TokenizerTest, SpecialTokenWithoutMeasureIsRefused) {
  EXPECT_EQ(code_of(refusal(test::small_vocabulary({}, {{std::string(257, '<')}}))),
            HADAL_E_FORMAT);
  EXPECT_TRUE(refusal(test::small_vocabulary({}, {{std::string(256, '<')}, {""}})).ok());
}

}  // namespace
}  // namespace hadal
