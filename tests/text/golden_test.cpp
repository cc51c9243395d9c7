// The whole way from text to ids against Hugging Face's tokenizers: golden/text/make_golden.py.
#include <gtest/gtest.h>

#include "tests/text/text_fixture.hpp"

namespace hadal {
namespace {

using test::Ids;

void expect_golden(const Tokenizer& tokenizer, const Json& golden, const char* rules) {
  const Json& lines = golden["lines"];
  const Json& ids = golden["ids"][rules];
  ASSERT_EQ(lines.size(), ids.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto line = lines[i].get<std::string>();
    SCOPED_TRACE(lines[i].dump());
    EXPECT_EQ(tokenizer.encode(line, true), ids[i].get<Ids>());
    EXPECT_EQ(tokenizer.decode(ids[i].get<Ids>(), true), line);
  }
}

class GoldenTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(PreTokenizers, GoldenTest,
                         testing::Values("deepseek-v3", "deepseek-llm", "deepseek-coder",
                                         "kimi-k2"),
                         [](const auto& name) {
                           std::string text = name.param;
                           for (char& c : text) c = c == '-' ? '_' : c;
                           return text;
                         });

// T2
TEST_P(GoldenTest, TrickyLinesWithTheStoryVocabulary) {
  const Json golden = test::golden_json("story-lines.json");
  ASSERT_GE(golden["lines"].size(), 200u);
  expect_golden(*test::story_tokenizer(GetParam()), golden, GetParam());
}

// T2: with the ids of DeepSeek-V3 itself.
TEST(GoldenV3Test, LinesWithPartOfTheRealVocabulary) {
  expect_golden(*test::v3_tokenizer(), test::golden_json("v3-lines.json"), "deepseek-v3");
}

TEST(GoldenV3Test, PublishedVector) {
  const test::TokenizerPtr tokenizer = test::v3_tokenizer();
  EXPECT_EQ(tokenizer->encode("Hello! 毕老师！1 + 1 = 2 ĠÑĤÐ²ÑĬÑĢ", false),
            (Ids{19923, 3,   223,   5464, 5008, 1175,  19,   940,   223, 19,  438,   223, 20,
                 6113,  257, 76589, 131,  100,  76032, 1628, 76589, 131, 108, 76589, 131, 98}));
}

}  // namespace
}  // namespace hadal
