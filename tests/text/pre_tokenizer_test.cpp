// Mirrors lib/text/pre_tokenizer and lib/text/pre_tokenizers/. The pieces of whole lines are judged
// through their ids by golden_test; here is what the rules say in words.
#include "lib/text/pre_tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "lib/text/unicode.hpp"

namespace hadal {
namespace {

using testing::ElementsAre;

std::vector<std::string> pieces(const char* rules, absl::string_view text) {
  std::vector<std::string> out;
  split(*find_pre_tokenizer(rules), text,
        [&](absl::string_view piece) { out.emplace_back(piece); });
  return out;
}

std::vector<std::string> v3(absl::string_view text) { return pieces("deepseek-v3", text); }
std::vector<std::string> llm(absl::string_view text) { return pieces("deepseek-llm", text); }
std::vector<std::string> coder(absl::string_view text) { return pieces("deepseek-coder", text); }
std::vector<std::string> kimi(absl::string_view text) { return pieces("kimi-k2", text); }

TEST(PreTokenizerTest, UnknownNamesAreUnknown) {
  EXPECT_EQ(find_pre_tokenizer("gpt-2"), nullptr);
  EXPECT_EQ(find_pre_tokenizer(""), nullptr);
}

// T2: digits first and by three, then Chinese and kana, then the rest.
TEST(PreTokenizerTest, V3CutsDigitsByThreeFromTheLeft) {
  EXPECT_THAT(v3("12345"), ElementsAre("123", "45"));
  EXPECT_THAT(v3("a1b"), ElementsAre("a", "1", "b"));
  EXPECT_THAT(v3("\u0661\u0662\u0663\u0664"), ElementsAre("\u0661\u0662\u0663", "\u0664"));
}

TEST(PreTokenizerTest, V3SpaceBeforeANumberStaysAlone) {
  EXPECT_THAT(v3("1 + 1"), ElementsAre("1", " +", " ", "1"));
  EXPECT_THAT(v3("a  1"), ElementsAre("a", "  ", "1"));
  EXPECT_THAT(v3("a  b"), ElementsAre("a", " ", " b"));
}

TEST(PreTokenizerTest, V3CutsChineseAndKanaFromWords) {
  EXPECT_THAT(v3("毕老师！"), ElementsAre("毕老师", "！"));
  EXPECT_THAT(v3("abc你好def"), ElementsAre("abc", "你好", "def"));
  EXPECT_THAT(v3("ア・イ"), ElementsAre("ア", "・", "イ"));
  EXPECT_THAT(v3("\u9FA6a"), ElementsAre("\u9FA6a"));  // just beyond the range: a letter
}

TEST(PreTokenizerTest, V3TakesOneMarkWithAnAsciiWord) {
  EXPECT_THAT(v3("don't"), ElementsAre("don", "'t"));
  EXPECT_THAT(v3("..a"), ElementsAre("..", "a"));
  EXPECT_THAT(v3(".a"), ElementsAre(".a"));
  EXPECT_THAT(v3(".\u00E9"), ElementsAre(".", "\u00E9"));  // letters of ASCII only
}

TEST(PreTokenizerTest, V3SymbolsKeepTheirLineEnds) {
  EXPECT_THAT(v3("a?!\r\n\nb"), ElementsAre("a", "?!\r\n\n", "b"));
  EXPECT_THAT(v3("  ?"), ElementsAre(" ", " ?"));
  EXPECT_THAT(v3("x \n \n  y"), ElementsAre("x", " \n \n", " ", " y"));
}

TEST(PreTokenizerTest, V3CharactersThatNothingMatchesStayTogether) {
  EXPECT_THAT(v3("a\u200B\u200Db"), ElementsAre("a", "\u200B", "\u200Db"));
  EXPECT_THAT(v3("\x01\x02\x03"), ElementsAre("\x01\x02\x03"));
}

TEST(PreTokenizerTest, LlmCutsLineEndsOneByOneAndTrailingSpace) {
  EXPECT_THAT(llm("a\r\n\nb"), ElementsAre("a", "\r", "\n", "\n", "b"));
  EXPECT_THAT(llm("a  \nb"), ElementsAre("a", "  ", "\n", "b"));
  EXPECT_THAT(llm("x 12345"), ElementsAre("x", " ", "12345"));
  EXPECT_THAT(llm("a 你好"), ElementsAre("a", " ", "你好"));
}

TEST(PreTokenizerTest, CoderCutsDigitsOneByOne) {
  EXPECT_THAT(coder("x 123"), ElementsAre("x", " ", "1", "2", "3"));
  EXPECT_THAT(coder("a +b"), ElementsAre("a", " +", "b"));  // + is no punctuation: left over
  EXPECT_THAT(coder("a .b"), ElementsAre("a", " .", "b"));
}

TEST(PreTokenizerTest, KimiCutsWordsAtCapitals) {
  EXPECT_THAT(kimi("camelCase"), ElementsAre("camel", "Case"));
  EXPECT_THAT(kimi("HTTPServer"), ElementsAre("HTTPServer"));
  EXPECT_THAT(kimi("parseXML"), ElementsAre("parse", "XML"));
}

TEST(PreTokenizerTest, KimiKeepsContractionsWithTheirWord) {
  EXPECT_THAT(kimi("don't we'LL"), ElementsAre("don't", " we'LL"));
  EXPECT_THAT(kimi("CAN'T"), ElementsAre("CAN'T"));
  EXPECT_THAT(kimi("it'\u017Fx"), ElementsAre("it'\u017F", "x"));
  EXPECT_THAT(kimi("x'y"), ElementsAre("x", "'y"));
}

TEST(PreTokenizerTest, KimiCutsHanApart) {
  EXPECT_THAT(kimi("abc你好def"), ElementsAre("abc", "你好", "def"));
  EXPECT_THAT(kimi(" 你"), ElementsAre(" ", "你"));
  EXPECT_THAT(kimi("你の好"), ElementsAre("你", "の", "好"));
}

TEST(PreTokenizerTest, InvalidBytesAreCutLikeCharactersOfNoClass) {
  EXPECT_THAT(v3("\xFF\xFE"), ElementsAre("\xFF\xFE"));
  EXPECT_THAT(v3("\xFFz"), ElementsAre("\xFFz"));  // as a control before a word
}

// The cased letters of deepseek-llm stand in its file twice: as a pattern, which tells a
// tokenizer.json, and as ranges, which do the work.
TEST(PreTokenizerTest, LlmRangesSayWhatThePatternSays) {
  const PreTokenizer::Step& step = kDeepseekLlmPreTokenizer.steps[1];
  absl::string_view set = step.pattern;
  ASSERT_EQ(set.substr(0, 4), "\\s?[");
  ASSERT_EQ(set.substr(set.size() - 2), "]+");
  set = set.substr(4, set.size() - 6);
  std::vector<bool> wanted(0x110000);
  while (!set.empty()) {
    const Char first = char_at(set, 0);
    set.remove_prefix(first.size);
    uint32_t last = first.code_point;
    if (set.size() > 1 && set[0] == '-') {
      last = char_at(set, 1).code_point;
      set.remove_prefix(1 + char_at(set, 1).size);
    }
    for (uint32_t c = first.code_point; c <= last; ++c) wanted[c] = true;
  }
  for (uint32_t c = 0x80; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    if (c >= 0x10000) {
      text = {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
              static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
    } else if (c >= 0x800) {
      text = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
              static_cast<char>(0x80 | (c & 63))};
    } else {
      text = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
    }
    ASSERT_EQ(char_at(text, 0).code_point, c);
    const Stretch found = step.find(text, 0, text.size());
    ASSERT_EQ(found.begin == 0 && found.end == text.size(), wanted[c]) << std::hex << c;
  }
}

class AnyPreTokenizerTest : public testing::TestWithParam<const PreTokenizer*> {};
INSTANTIATE_TEST_SUITE_P(All, AnyPreTokenizerTest,
                         testing::ValuesIn(pre_tokenizers().begin(), pre_tokenizers().end()),
                         [](const auto& name) {
                           std::string text = name.param->name;
                           for (char& c : text) c = c == '-' ? '_' : c;
                           return text;
                         });

// Whatever the bytes, the pieces are not empty and make up the text.
TEST_P(AnyPreTokenizerTest, PiecesMakeUpAnyText) {
  std::mt19937 random(7);
  const char alphabet[] = "aZ 1\n\r\t'.+\xC3\xA9\xE6\xAF\x95\xF0\x9F\x9A\x80\xFF\xCC\x81";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t n = random() % 24; n > 0; --n) {
      text.push_back(round % 2 == 0 ? static_cast<char>(random() % 256)
                                    : alphabet[random() % (sizeof alphabet - 1)]);
    }
    std::string joined;
    split(*GetParam(), text, [&](absl::string_view piece) {
      EXPECT_FALSE(piece.empty());
      joined += std::string(piece);
    });
    ASSERT_EQ(joined, text);
  }
}

}  // namespace
}  // namespace hadal
