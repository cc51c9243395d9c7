// Mirrors lib/sampling/parse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/sampling/sampling_fixture.hpp"

namespace hadal::test {
namespace {

using Bias = std::vector<std::pair<int32_t, double>>;

TEST(ParseTest, TokenIdsAreSeparatedByCommas) {
  ASSERT_TRUE(parse_token_ids("12,345").ok());
  EXPECT_EQ(*parse_token_ids("12,345"), (Ids{12, 345}));
  EXPECT_EQ(*parse_token_ids(" 0 , 2147483647 "), (Ids{0, 2147483647}));
  EXPECT_EQ(*parse_token_ids(""), Ids{});
  EXPECT_EQ(*parse_token_ids("  "), Ids{});
}

TEST(ParseTest, BadTokenIdIsNamed) {
  for (const char* text :
       {"1,x", "1,", "1,,2", "1,-2", "1,2147483648", "1,2 3", "1,0x5", "1,1.0"}) {
    const auto ids = parse_token_ids(text);
    ASSERT_FALSE(ids.ok()) << text;
    EXPECT_EQ(code_of(ids.status()), HADAL_E_OUT_OF_RANGE);
    EXPECT_THAT(message_of(ids.status()), testing::HasSubstr("item 2")) << text;
  }
}

TEST(ParseTest, LogitBiasIsPairs) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  ASSERT_TRUE(parse_logit_bias("12:-1.5,13:-inf").ok());
  EXPECT_EQ(*parse_logit_bias("12:-1.5,13:-inf"), (Bias{{12, -1.5}, {13, -kInfinity}}));
  EXPECT_EQ(*parse_logit_bias(" 7 : 1e2 "), (Bias{{7, 100.0}}));
  EXPECT_EQ(*parse_logit_bias(""), Bias{});
}

TEST(ParseTest, BadLogitBiasIsNamed) {
  for (const char* text : {"1:1,2", "1:1,2:", "1:1,:2", "1:1,2:x", "1:1,2:nan", "1:1,2:inf",
                           "1:1,-2:1", "1:1,2:1:1", "1:1,2:1e999", "1:1,2:1,5", "1:1,"}) {
    const auto bias = parse_logit_bias(text);
    if (bias.ok()) ADD_FAILURE() << text;
    if (bias.ok()) continue;
    EXPECT_EQ(code_of(bias.status()), HADAL_E_OUT_OF_RANGE);
    EXPECT_THAT(message_of(bias.status()), testing::HasSubstr("item ")) << text;
  }
}

}  // namespace
}  // namespace hadal::test
