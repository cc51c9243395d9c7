// Mirrors lib/text/unicode.
#include "lib/text/unicode.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hadal {
namespace {

TEST(UnicodeTest, ClassesOfWellKnownCharacters) {
  EXPECT_TRUE(char_at("A", 0).is(kUpper));
  EXPECT_TRUE(char_at("\u01C5", 0).is(kUpper));  // title case
  EXPECT_TRUE(char_at("z", 0).is(kLower));
  EXPECT_TRUE(char_at("\u02B0", 0).is(kOther));  // modifier letter
  EXPECT_TRUE(char_at("\u0301", 0).is(kMark));
  EXPECT_TRUE(char_at("\u2167", 0).is(kNumber));
  EXPECT_TRUE(char_at("!", 0).is(kPunctuation));
  EXPECT_TRUE(char_at("+", 0).is(kSymbol));
  EXPECT_TRUE(char_at("\u3000", 0).is(kSpace));
  EXPECT_TRUE(char_at("\u0085", 0).is(kSpace));
  EXPECT_EQ(char_at("\u200B", 0).classes, char_set(CharClass::kNone));
}

TEST(UnicodeTest, HanIsAScriptBesidesTheClass) {
  EXPECT_TRUE(char_at("\u6BD5", 0).is(kHan));
  EXPECT_TRUE(char_at("\u6BD5", 0).is(kOther));
  EXPECT_TRUE(char_at("\u3007", 0).is(kHan));
  EXPECT_TRUE(char_at("\u3007", 0).is(kNumber));
  EXPECT_FALSE(char_at("\u3042", 0).is(kHan));
}

// The table follows Unicode 16.0, as the oracle does: U+1C89 is a letter only since then.
TEST(UnicodeTest, TableIsOfUnicode16) { EXPECT_TRUE(char_at("\u1C89", 0).is(kUpper)); }

TEST(UnicodeTest, CharactersOfEveryLengthAreDecoded) {
  const std::string text = "a\u00E9\u6BD5\U0001F680";
  size_t at = 0;
  for (const uint32_t wanted : {0x61u, 0xE9u, 0x6BD5u, 0x1F680u}) {
    const Char c = char_at(text, at);
    EXPECT_EQ(c.code_point, wanted);
    at += c.size;
  }
  EXPECT_EQ(at, text.size());
}

TEST(UnicodeTest, BytesThatAreNotUtf8AreSingleCharactersOfNoClass) {
  for (const std::string text : {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80",
                                 "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE6\xAF"}) {
    const Char c = char_at(text, 0);
    EXPECT_EQ(c.code_point, kNoCodePoint);
    EXPECT_EQ(c.size, 1u);
    EXPECT_EQ(c.classes, char_set(CharClass::kNone));
    EXPECT_FALSE(is_utf8(text));
  }
  EXPECT_TRUE(is_utf8("a\u00E9\u6BD5\U0001F680"));
  EXPECT_TRUE(is_utf8(""));
}

TEST(UnicodeTest, FrontTellsUnfinishedFromBroken) {
  EXPECT_EQ(utf8_front("\xE6\xAF").kind, Utf8Front::kUnfinished);
  EXPECT_EQ(utf8_front("\xE6\xAF").size, 2u);
  EXPECT_EQ(utf8_front("\xF0\x9F\x9A").kind, Utf8Front::kUnfinished);
  EXPECT_EQ(utf8_front("\xE6\xAFz").kind, Utf8Front::kBroken);
  EXPECT_EQ(utf8_front("\xE6\xAFz").size, 2u);
  EXPECT_EQ(utf8_front("\xED\xA0").kind, Utf8Front::kBroken);  // a surrogate, known by two bytes
  EXPECT_EQ(utf8_front("\xED\xA0").size, 1u);
}

}  // namespace
}  // namespace hadal
