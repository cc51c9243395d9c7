// Mirrors lib/text/special_tokens.
#include "lib/text/special_tokens.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hadal {
namespace {

TEST(SpecialTokensTest, LeftmostThenLongest) {
  SpecialTokens tokens;
  tokens.add("bcd", 1);
  tokens.add("ab", 2);
  tokens.add("abcdx", 3);
  tokens.add("a", 4);
  auto match = tokens.find("zabcd", 0);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->id, 2);  // leftmost beats the longer one that begins later; longest beats "a"
  EXPECT_EQ(match->begin, 1u);
  EXPECT_EQ(match->end, 3u);
  match = tokens.find("zabcd", 2);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->id, 1);
}

TEST(SpecialTokensTest, PartOfATextIsNoMatch) {
  SpecialTokens tokens;
  tokens.add("<think>", 1);
  EXPECT_FALSE(tokens.find("<think", 0));
  EXPECT_FALSE(tokens.find("<<thin<think", 0));
  EXPECT_TRUE(tokens.find("<<think>", 0));
  EXPECT_EQ(tokens.exactly("<think>"), 1);
  EXPECT_EQ(tokens.exactly("<think> "), std::nullopt);
  EXPECT_EQ(tokens.exactly("<thin"), std::nullopt);
}

TEST(SpecialTokensTest, FirstOfTwoEqualTextsCounts) {
  SpecialTokens tokens;
  tokens.add("x", 7);
  tokens.add("x", 8);
  EXPECT_EQ(tokens.exactly("x"), 7);
}

TEST(SpecialTokensTest, NothingIsFoundInNothing) {
  SpecialTokens tokens;
  EXPECT_FALSE(tokens.find("", 0));
  EXPECT_FALSE(tokens.find("abc", 0));
}

}  // namespace
}  // namespace hadal
