// The way to JSON: bounded, without exceptions.
#include "lib/base/json.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hadal {
namespace {

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

TEST(JsonTest, ParsesAndWritesInOrder) {
  const auto value = parse_json(R"({"z": 1, "a": [true, null, "\u4f60"], "m": -2.5e3})", "x");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(write_json(*value), "{\"z\":1,\"a\":[true,null,\"\u4f60\"],\"m\":-2500.0}");
}

TEST(JsonTest, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "[1,]", "{'a': 1}", "nul", "1 2", "\"\xff\"", "\"\\ud800\"",
                           "[1e999]", "{\"a\":}", "\x01", "[NaN]"}) {
    const auto value = parse_json(text, "config.json");
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(code_of(value.status()), HADAL_E_FORMAT) << text;
    EXPECT_NE(message_of(value.status()).find("config.json"), std::string::npos) << text;
  }
}

TEST(JsonTest, BoundsTheDepth) {
  EXPECT_TRUE(parse_json(nested(8), "x", 8).ok());
  EXPECT_EQ(code_of(parse_json(nested(9), "x", 8).status()), HADAL_E_FORMAT);
  EXPECT_TRUE(parse_json(nested(64), "x").ok());
  EXPECT_FALSE(parse_json(nested(65), "x").ok());
}

TEST(JsonTest, SurvivesAMillionBrackets) {
  EXPECT_FALSE(parse_json(nested(1'000'000), "x").ok());
  EXPECT_FALSE(parse_json(std::string(1'000'000, '['), "x").ok());
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_FALSE(parse_json(objects, "x").ok());
}

TEST(JsonTest, WritesBytesThatAreNoUtf8AsReplacements) {
  EXPECT_EQ(write_json(Json("a\xff"
                            "b")),
            "\"a\uFFFDb\"");
  EXPECT_EQ(write_json(Json("\"\\\n\x01")), "\"\\\"\\\\\\n\\u0001\"");
}

}  // namespace
}  // namespace hadal
