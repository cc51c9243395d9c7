// Mirrors lib/text/answer_stream.
#include "lib/text/answer_stream.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <functional>

#include "lib/text/unicode.hpp"
#include "tests/text/text_fixture.hpp"

namespace hadal {
namespace {

using test::Ids;

struct Heard {
  std::string answer{}, reasoning{}, tool{};
  bool stopped = false, saw_tool_call = false;
  bool operator==(const Heard&) const = default;
};

void hear(const std::vector<TextPart>& parts, Heard& heard) {
  for (const TextPart& part : parts) {
    EXPECT_FALSE(part.text.empty());
    EXPECT_TRUE(is_utf8(part.text));
    std::string& text = part.channel == Channel::kAnswer      ? heard.answer
                        : part.channel == Channel::kReasoning ? heard.reasoning
                                                              : heard.tool;
    text += part.text;
  }
}

Heard run(const Tokenizer& tokenizer, const std::string& prompt, const Ids& ids,
          const std::vector<std::string>& stops = {}) {
  AnswerStream stream(tokenizer, tokenizer.encode(prompt, true), stops);
  Heard heard;
  for (const int32_t id : ids) hear(stream.push(id), heard);
  hear(stream.finish(), heard);
  heard.stopped = stream.stopped();
  heard.saw_tool_call = stream.saw_tool_call();
  return heard;
}

Heard run(const Tokenizer& tokenizer, const std::string& prompt, const std::string& output,
          const std::vector<std::string>& stops = {}) {
  return run(tokenizer, prompt, tokenizer.encode(output, true), stops);
}

class AnswerStreamTest : public testing::Test {
 protected:
  // Every byte a token of its own.
  test::TokenizerPtr tokenizer_ = test::deepseek_bytes_tokenizer();
};

TEST_F(AnswerStreamTest, PlainAnswer) {
  EXPECT_EQ(run(*tokenizer_, "<｜User｜>Hi<｜Assistant｜>", "Hello 毕🚀!<｜end▁of▁sentence｜>"),
            (Heard{.answer = "Hello 毕🚀!"}));
}

TEST_F(AnswerStreamTest, CharactersComeWhole) {
  AnswerStream stream(*tokenizer_, {}, {});
  const Ids ids = tokenizer_->encode("🚀", false);
  ASSERT_EQ(ids.size(), 4u);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(stream.push(ids[i]).empty());
  const std::vector<TextPart> parts = stream.push(ids[3]);
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].text, "🚀");
}

TEST_F(AnswerStreamTest, UnfinishedCharacterAtTheEndIsReplaced) {
  EXPECT_EQ(run(*tokenizer_, "", "a\xF0\x9F"), (Heard{.answer = "a\uFFFD"}));
}

// T4: the opening tag is in the prompt, so the output has the closing one alone.
TEST_F(AnswerStreamTest, ReasoningIsOpenedByThePrompt) {
  for (const char* prompt :
       {"<｜User｜>1+1?<｜Assistant｜><think>\n", "<｜User｜>1+1?<｜Assistant｜><think>",
        "<｜User｜>1+1?<｜Assistant｜><think>\r\n\n"}) {
    EXPECT_EQ(run(*tokenizer_, prompt, "hm</think>\n\n2"),
              (Heard{.answer = "\n\n2", .reasoning = "hm"}));
  }
}

TEST_F(AnswerStreamTest, ReasoningIsOpenedByTheModel) {
  EXPECT_EQ(run(*tokenizer_, "<｜Assistant｜>", "<think>hm</think>2"),
            (Heard{.answer = "2", .reasoning = "hm"}));
}

// T8: </think> in the prompt says that there is none.
TEST_F(AnswerStreamTest, ClosedReasoningInThePromptIsNoReasoning) {
  EXPECT_EQ(run(*tokenizer_, "<｜User｜>q<｜Assistant｜></think>", "2"), (Heard{.answer = "2"}));
}

// T7: reasoning of an earlier turn, or tags that a user wrote, do not open this one.
TEST_F(AnswerStreamTest, EarlierTurnsDoNotMatter) {
  EXPECT_EQ(
      run(*tokenizer_,
          "<｜Assistant｜><think>cut off<｜end▁of▁sentence｜><｜User｜>q<｜Assistant｜>", "2"),
      (Heard{.answer = "2"}));
  EXPECT_EQ(run(*tokenizer_, "<｜User｜><think><｜Assistant｜>", "2"), (Heard{.answer = "2"}));
  EXPECT_EQ(run(*tokenizer_,
                "<｜Assistant｜><｜tool▁calls▁begin｜>x<｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
                "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>-3<｜tool▁output▁end｜>"
                "<｜tool▁outputs▁end｜>",
                "cold"),
            (Heard{.answer = "cold"}));
}

// T7: an answer that was cut at its longest goes on where it was.
TEST_F(AnswerStreamTest, UnfinishedReasoningInThePromptGoesOn) {
  EXPECT_EQ(run(*tokenizer_, "<｜User｜>q<｜Assistant｜><think>\nso far", " on</think>2"),
            (Heard{.answer = "2", .reasoning = " on"}));
  EXPECT_EQ(run(*tokenizer_, "<｜Assistant｜><｜tool▁calls▁begin｜>x", "y<｜tool▁calls▁end｜>"),
            (Heard{.tool = "y", .saw_tool_call = true}));
}

// T5: the text inside is kept with its markers, so a parser of either form can read it.
TEST_F(AnswerStreamTest, ToolCallsAreAChannelOfTheirOwn) {
  const std::string call =
      "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": "
      "\"Oslo\"}\n```<｜tool▁call▁end｜>";
  EXPECT_EQ(
      run(*tokenizer_, "<｜Assistant｜>",
          "Let me see.<｜tool▁calls▁begin｜>" + call + "<｜tool▁calls▁end｜><｜end▁of▁sentence｜>"),
      (Heard{.answer = "Let me see.", .tool = call, .saw_tool_call = true}));
  const std::string v31 = "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜>";
  EXPECT_EQ(run(*tokenizer_, "<｜Assistant｜></think>",
                "<｜tool▁calls▁begin｜>" + v31 + v31 + "<｜tool▁calls▁end｜>"),
            (Heard{.tool = v31 + v31, .saw_tool_call = true}));
}

TEST_F(AnswerStreamTest, UnfinishedToolCallIsNoToolCall) {
  EXPECT_EQ(run(*tokenizer_, "", "<｜tool▁calls▁begin｜>f<｜end▁of▁sentence｜>"),
            (Heard{.tool = "f"}));
}

TEST_F(AnswerStreamTest, KimisToolCallsToo) {
  const auto kimi = test::kimi_bytes_tokenizer();
  const std::string call =
      "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|>";
  EXPECT_EQ(
      run(*kimi, "<|im_assistant|>assistant<|im_middle|>",
          "Wait.<|tool_calls_section_begin|>" + call + "<|tool_calls_section_end|><|im_end|>"),
      (Heard{.answer = "Wait.", .tool = call, .saw_tool_call = true}));
}

TEST_F(AnswerStreamTest, ControlTokensAreNoText) {
  EXPECT_EQ(run(*tokenizer_, "", "a<｜tool▁sep｜>b<｜Assistant｜>c"), (Heard{.answer = "abc"}));
}

TEST_F(AnswerStreamTest, StopTextEndsTheAnswer) {
  EXPECT_EQ(run(*tokenizer_, "", "one\nUser: two", {"\nUser:"}),
            (Heard{.answer = "one", .stopped = true}));
}

TEST_F(AnswerStreamTest, StopTextCountsInTheAnswerAlone) {
  EXPECT_EQ(run(*tokenizer_, "<think>", "a\n\nb</think>c\n\nd", {"\n\n"}),
            (Heard{.answer = "c", .reasoning = "a\n\nb", .stopped = true}));
  EXPECT_EQ(run(*tokenizer_, "", "<｜tool▁calls▁begin｜>\n\n<｜tool▁calls▁end｜>", {"\n\n"}),
            (Heard{.tool = "\n\n", .saw_tool_call = true}));
}

TEST_F(AnswerStreamTest, StopTextDoesNotReachOverReasoning) {
  EXPECT_EQ(run(*tokenizer_, "", "a<think>x</think>b", {"ab"}),
            (Heard{.answer = "ab", .reasoning = "x"}));
}

TEST_F(AnswerStreamTest, StopTextThatCutsACharacterLeavesNoHalf) {
  const Heard heard = run(*tokenizer_, "", "z\u00E9", {"\xA9"});
  EXPECT_EQ(heard, (Heard{.answer = "z\uFFFD", .stopped = true}));
}

// T4, T6: the same bytes in other tokens. The second vocabulary has tokens that begin and end in
// the middle of characters and of stop texts.
TEST_F(AnswerStreamTest, WhatIsHeardDoesNotDependOnTokens) {
  const std::vector<std::string> tokens = {
      "\xE6\xAF\x95\xF0", "\x9F\x9A\x80", "on\nUs", "er: ", "\xE6", "\xAF\x95", "\n", "hm\xF0\x9F"};
  Vocabulary vocabulary = test::small_vocabulary(
      {}, {{"<think>", TokenKind::kUserDefined}, {"</think>", TokenKind::kUserDefined}});
  for (const std::string& bytes : tokens) {
    // A normal token outside the alphabet stands for itself.
    vocabulary.tokens.push_back({bytes, TokenKind::kNormal});
  }
  const auto tokenizer = test::tokenizer_of(vocabulary);

  const std::string answer = "毕🚀on\nUser: 毕", reasoning = "hm🚀";
  const std::function<void(size_t, Ids&, const std::string&, const std::function<void()>&)> cut =
      [&](size_t at, Ids& ids, const std::string& text, const std::function<void()>& done) {
        if (at == text.size()) return done();
        const size_t before = ids.size();
        ids.push_back(static_cast<uint8_t>(text[at]));
        cut(at + 1, ids, text, done);
        ids.resize(before);
        for (size_t i = 0; i < tokens.size(); ++i) {
          if (text.compare(at, tokens[i].size(), tokens[i]) != 0) continue;
          ids.push_back(static_cast<int32_t>(258 + i));
          cut(at + tokens[i].size(), ids, text, done);
          ids.resize(before);
        }
      };
  int n_ways = 0;
  Ids ids = {256};
  cut(0, ids, reasoning, [&] {
    Ids more = ids;
    more.push_back(257);
    cut(0, more, answer, [&] {
      ++n_ways;
      ASSERT_EQ(run(*tokenizer, "", more), (Heard{.answer = answer, .reasoning = reasoning}));
      ASSERT_EQ(run(*tokenizer, "", more, {"\nUser:"}),
                (Heard{.answer = "毕🚀on", .reasoning = reasoning, .stopped = true}));
    });
  });
  EXPECT_GT(n_ways, 50);
}

TEST_F(AnswerStreamTest, NothingComesAfterAStopText) {
  AnswerStream stream(*tokenizer_, {}, {"!"});
  stream.push('!');
  ASSERT_TRUE(stream.stopped());
  EXPECT_TRUE(stream.push('a').empty());
  EXPECT_TRUE(stream.finish().empty());
}

// Amortised O(1) for a token, also where a stop text is almost there all the time.
TEST_F(AnswerStreamTest, LongAnswersTakeNoLongTime) {
  AnswerStream stream(*tokenizer_, {}, {std::string(5000, 'a') + "b"});
  const std::clock_t start = std::clock();
  Heard heard;
  for (int i = 0; i < 300000; ++i) hear(stream.push('a'), heard);
  hear(stream.finish(), heard);
  EXPECT_EQ(heard.answer.size(), 300000u);
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 20);
}

}  // namespace
}  // namespace hadal
