#include "lib/convert/type_rules.hpp"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(TypeRules, PatternsFitPartsOfNames) {
  EXPECT_TRUE(fits("ffn_down", "blk.1.ffn_down_exps.weight"));
  EXPECT_FALSE(fits("ffn_up", "blk.1.ffn_down_exps.weight"));
  EXPECT_TRUE(fits("^blk.1.", "blk.1.ffn_down_exps.weight"));
  EXPECT_FALSE(fits("^blk.1.", "blk.11.ffn_down_exps.weight"));
  EXPECT_FALSE(fits("^ffn", "blk.1.ffn_down_exps.weight"));
  EXPECT_TRUE(fits("exps.weight$", "blk.1.ffn_down_exps.weight"));
  EXPECT_FALSE(fits("exps$", "blk.1.ffn_down_exps.weight"));
  EXPECT_TRUE(fits("^output.weight$", "output.weight"));
  EXPECT_FALSE(fits("^output.weight$", "output_norm.weight"));
  EXPECT_TRUE(fits("ffn_*_exps", "blk.1.ffn_down_exps.weight"));
  EXPECT_TRUE(fits("blk.?.ffn*exps", "blk.1.ffn_down_exps.weight"));
  EXPECT_FALSE(fits("blk.?.ffn", "blk.12.ffn_down_exps.weight"));
  EXPECT_TRUE(fits("^*$", ""));
  EXPECT_TRUE(fits("", "anything"));
  EXPECT_FALSE(fits("?", ""));
  EXPECT_TRUE(fits("a*ab", "xaaabx"));  // goes back to a star
}

// Many stars against a long name that never fits: no exponential search.
TEST(TypeRules, ManyStarsAreQuick) {
  std::string pattern;
  for (int i = 0; i < 30; ++i) pattern += "a*";
  EXPECT_FALSE(fits(pattern + "b", std::string(2000, 'a')));
}

TEST(TypeRules, Parsing) {
  const auto rules = parse_type_rules("ffn_down_exps=q8_0;^output=keep;a=b=f16");
  ASSERT_TRUE(rules.ok());
  ASSERT_EQ(rules->size(), 3u);
  EXPECT_EQ((*rules)[0].type, DType::kQ8_0);
  EXPECT_EQ((*rules)[1].pattern, "^output");
  EXPECT_EQ((*rules)[1].type, std::nullopt);
  EXPECT_EQ((*rules)[2].pattern, "a=b");
  EXPECT_TRUE(parse_type_rules("")->empty());
  EXPECT_TRUE(parse_type_rules(";")->empty());
  for (const char* bad : {"q8_0", "=q8_0", "a=", "a=q9", "a=i32", "a=q8_0;b"})
    EXPECT_EQ(code_of(parse_type_rules(bad).status()), HADAL_E_OUT_OF_RANGE) << bad;
}

}  // namespace
}  // namespace hadal
