// Mirrors lib/text/chat_formats/: what each release's template makes of the same conversations.
#include <gtest/gtest.h>

#include "lib/text/chat_format.hpp"

namespace hadal {
namespace {

// The markers in short, as the documentation of the formats writes them.
#define B "<｜begin▁of▁sentence｜>"
#define E "<｜end▁of▁sentence｜>"
#define U "<｜User｜>"
#define A "<｜Assistant｜>"
#define CALLS_BEGIN "<｜tool▁calls▁begin｜>"
#define CALLS_END "<｜tool▁calls▁end｜>"
#define CALL_BEGIN "<｜tool▁call▁begin｜>"
#define CALL_END "<｜tool▁call▁end｜>"
#define SEP "<｜tool▁sep｜>"
#define OUTPUTS_BEGIN "<｜tool▁outputs▁begin｜>"
#define OUTPUTS_END "<｜tool▁outputs▁end｜>"
#define OUTPUT_BEGIN "<｜tool▁output▁begin｜>"
#define OUTPUT_END "<｜tool▁output▁end｜>"

using Messages = std::vector<Message>;

Message system(std::string text) { return {.role = Role::kSystem, .content = std::move(text)}; }
Message user(std::string text) { return {.role = Role::kUser, .content = std::move(text)}; }
Message assistant(std::string text) {
  return {.role = Role::kAssistant, .content = std::move(text)};
}
Message tool(std::string text, std::string id = "") {
  return {.role = Role::kTool, .content = std::move(text), .tool_call_id = std::move(id)};
}
Message calls(std::vector<ToolCall> list, std::optional<std::string> content = std::nullopt) {
  return {.role = Role::kAssistant,
          .content = content.value_or(""),
          .has_content = content.has_value(),
          .tool_calls = std::move(list)};
}
ToolCall weather(const char* city, const char* id = "") {
  return {id, "function", "get_weather", std::string("{\"city\": \"") + city + "\"}"};
}

std::string render(const char* format, const Messages& messages, ChatOptions options = {}) {
  const auto pieces = (*chat_format(format))->render(messages, options);
  EXPECT_TRUE(pieces.ok()) << message_of(pieces.status());
  return pieces.ok() ? text_of(*pieces) : "";
}

constexpr ChatOptions kNoPrompt = {.add_generation_prompt = false};
constexpr ChatOptions kThinking = {.thinking = true};

const Messages& two_turns() {
  static const Messages messages = {system("Be brief."), user("Hi"),
                                    assistant("<think>x</think>Hello!"), user("1+1?")};
  return messages;
}

TEST(DeepseekV3FormatTest, OneTurn) {
  EXPECT_EQ(render("deepseek-v3", {system("You are helpful."), user("Hi")}),
            B "You are helpful." U "Hi" A);
  EXPECT_EQ(render("deepseek-v3", {user("Hi")}, kNoPrompt), B U "Hi");
}

TEST(DeepseekV3FormatTest, HistoryHasNoReasoning) {
  EXPECT_EQ(render("deepseek-v3", two_turns()), B "Be brief." U "Hi" A "Hello!" E U "1+1?" A);
  EXPECT_EQ(render("deepseek-v3", {assistant("a</think>b</think>c")}, kNoPrompt), B A "c" E);
}

// T9: nothing is glued or spaced: no separator behind the system text, an empty line between two.
TEST(DeepseekV3FormatTest, SystemMessagesAreCollectedToTheFront) {
  EXPECT_EQ(render("deepseek-v3", {system("one"), user("Hi"), system("two")}),
            B "one\n\ntwo" U "Hi" A);
}

TEST(DeepseekV3FormatTest, MessagesAreNotTrimmed) {
  EXPECT_EQ(render("deepseek-v3", {user(" Hi \n")}), B U " Hi \n" A);
}

// T5
constexpr char kOslo[] =
    CALL_BEGIN "function" SEP "get_weather\n```json\n{\"city\": \"Oslo\"}\n```" CALL_END;
constexpr char kRome[] =
    CALL_BEGIN "function" SEP "get_weather\n```json\n{\"city\": \"Rome\"}\n```" CALL_END;

TEST(DeepseekV3FormatTest, ToolRound) {
  EXPECT_EQ(
      render("deepseek-v3", {user("Weather in Oslo?"), calls({weather("Oslo")}), tool("-3 C")}),
      std::string(B U "Weather in Oslo?" A CALLS_BEGIN) + kOslo +
          CALLS_END E OUTPUTS_BEGIN OUTPUT_BEGIN "-3 C" OUTPUT_END OUTPUTS_END);
}

// T9: a single call is closed as well, and a second round of results opens a section again.
TEST(DeepseekV3FormatTest, TwoRoundsOfTools) {
  const Messages messages = {user("q"),
                             calls({weather("Oslo"), weather("Rome")}, "Let me see."),
                             tool("-3"),
                             tool("20"),
                             assistant("Cold and warm."),
                             user("again"),
                             calls({weather("Oslo")}),
                             tool("-4")};
  EXPECT_EQ(render("deepseek-v3", messages),
            std::string(B U "q" A "Let me see." CALLS_BEGIN) + kOslo + "\n" + kRome +
                CALLS_END E OUTPUTS_BEGIN OUTPUT_BEGIN
                "-3" OUTPUT_END "\n" OUTPUT_BEGIN "20" OUTPUT_END OUTPUTS_END "Cold and warm." E U
                "again" A CALLS_BEGIN +
                kOslo + CALLS_END E OUTPUTS_BEGIN OUTPUT_BEGIN "-4" OUTPUT_END OUTPUTS_END);
}

// T4, T8: R1 always thinks, whatever is asked for.
TEST(DeepseekR1FormatTest, PromptOpensTheReasoning) {
  EXPECT_EQ(render("deepseek-r1", {user("1+1?")}), B U "1+1?" A "<think>\n");
  EXPECT_EQ(render("deepseek-r1", {user("1+1?")}, kNoPrompt), B U "1+1?");
  EXPECT_EQ(render("deepseek-r1", two_turns()),
            B "Be brief." U "Hi" A "Hello!" E U "1+1?" A "<think>\n");
}

TEST(DeepseekV30324FormatTest, PlainConversationsAreThoseOfV3) {
  EXPECT_EQ(render("deepseek-v3-0324", {system("s"), user("Hi"), assistant("Hello!"), user("q")}),
            B "s" U "Hi" A "Hello!" E U "q" A);
}

TEST(DeepseekV30324FormatTest, UsersTurnEndsInTheAnswersMarkerWithoutAPromptToo) {
  EXPECT_EQ(render("deepseek-v3-0324", {user("Hi")}, kNoPrompt), B U "Hi" A);
  EXPECT_EQ(render("deepseek-v3-0324", {system("s")}), B "s" A);
  EXPECT_EQ(render("deepseek-v3-0324", {user("Hi"), assistant("Hello!")}), B U "Hi" A "Hello!" E A);
}

TEST(DeepseekV30324FormatTest, ToolRounds) {
  const Messages messages = {user("q"),  calls({weather("Oslo")}, "Hm."),
                             tool("-3"), calls({weather("Rome")}),
                             tool("20"), tool("21")};
  EXPECT_EQ(render("deepseek-v3-0324", messages),
            std::string(B U "q" A "Hm." CALLS_BEGIN) + kOslo +
                CALLS_END E OUTPUTS_BEGIN OUTPUT_BEGIN "-3" OUTPUT_END OUTPUTS_END CALLS_BEGIN +
                kRome +
                CALLS_END E OUTPUTS_BEGIN OUTPUT_BEGIN "20" OUTPUT_END "\n" OUTPUT_BEGIN
                                                       "21" OUTPUT_END OUTPUTS_END);
  EXPECT_EQ(render("deepseek-v3-0324", {user("q"), tool("1"), assistant("a")}, kNoPrompt),
            B U "q" A OUTPUTS_BEGIN OUTPUT_BEGIN "1" OUTPUT_END OUTPUTS_END "a" E);
}

// T8: both settings, and a history without reasoning in both.
TEST(DeepseekV31FormatTest, ThinkingOnAndOff) {
  const std::string history = B "Be brief." U "Hi" A "</think>Hello!" E U "1+1?" A;
  EXPECT_EQ(render("deepseek-v3.1", two_turns()), history + "</think>");
  EXPECT_EQ(render("deepseek-v3.1", two_turns(), kThinking), history + "<think>");
  EXPECT_EQ(render("deepseek-v3.1", {user("Hi")}, kNoPrompt), B U "Hi");
  EXPECT_EQ(render("deepseek-v3.1", {user("q"), assistant("a</think>b</think>c")}),
            B U "q" A "</think>b</think>c" E);  // from the first one on
}

// T5
TEST(DeepseekV31FormatTest, ToolCallsHaveNeitherTypeNorFence) {
  const Messages messages = {user("q"), calls({weather("Oslo"), weather("Rome")}), tool("-3"),
                             tool("20"), assistant("Cold.")};
  const std::string rendered = B U "q" A "</think>" CALLS_BEGIN CALL_BEGIN "get_weather" SEP
                                   "{\"city\": \"Oslo\"}" CALL_END CALL_BEGIN "get_weather" SEP
                                   "{\"city\": \"Rome\"}" CALL_END CALLS_END E OUTPUT_BEGIN
                                   "-3" OUTPUT_END OUTPUT_BEGIN "20" OUTPUT_END "Cold." E;
  EXPECT_EQ(render("deepseek-v3.1", messages), rendered);
}

TEST(DeepseekV31FormatTest, NothingIsAddedAfterToolResults) {
  EXPECT_EQ(render("deepseek-v3.1", {user("q"), calls({}, "x"), tool("1")}),
            B U "q" A "</think>x" E OUTPUT_BEGIN "1" OUTPUT_END);
}

TEST(DeepseekV2FormatTest, RolesAreWords) {
  EXPECT_EQ(render("deepseek-v2", {system("s"), user("Hi"), assistant("Hello!"), user("q")}),
            B "s\n\nUser: Hi\n\nAssistant: Hello!" E "User: q\n\nAssistant:");
  EXPECT_EQ(render("deepseek-v2", {user("Hi")}, kNoPrompt), B "User: Hi\n\n");
}

TEST(DeepseekV2FormatTest, ToolsAreUnsupported) {
  for (const Message& message : {tool("1"), calls({weather("Oslo")})}) {
    const auto pieces = (*chat_format("deepseek-v2"))->render(Messages{user("q"), message}, {});
    EXPECT_EQ(code_of(pieces.status()), HADAL_E_UNSUPPORTED);
  }
}

TEST(KimiK2FormatTest, Turns) {
  EXPECT_EQ(render("kimi-k2", {system("Be brief."), user("Hi"), assistant("Hello!"), user("q")}),
            "<|im_system|>system<|im_middle|>Be brief.<|im_end|>"
            "<|im_user|>user<|im_middle|>Hi<|im_end|>"
            "<|im_assistant|>assistant<|im_middle|>Hello!<|im_end|>"
            "<|im_user|>user<|im_middle|>q<|im_end|>"
            "<|im_assistant|>assistant<|im_middle|>");
}

// T9: the wording differs between the revisions of the template.
TEST(KimiK2FormatTest, ConversationWithoutSystemMessageGetsTheTemplatesOwn) {
  EXPECT_EQ(render("kimi-k2", {user("Hi")}, kNoPrompt),
            "<|im_system|>system<|im_middle|>You are a helpful assistant<|im_end|>"
            "<|im_user|>user<|im_middle|>Hi<|im_end|>");
  const auto later = recognise_chat_format(
      "<|im_system|>system<|im_middle|>You are Kimi, an AI assistant created by Moonshot AI."
      "<|im_end|> ... <|im_assistant|>assistant<|im_middle|>");
  ASSERT_TRUE(later.ok());
  EXPECT_EQ(text_of(*(*later)->render(Messages{user("Hi")}, kNoPrompt)),
            "<|im_system|>system<|im_middle|>You are Kimi, an AI assistant created by Moonshot AI."
            "<|im_end|><|im_user|>user<|im_middle|>Hi<|im_end|>");
}

// T5
TEST(KimiK2FormatTest, ToolRound) {
  EXPECT_EQ(render("kimi-k2",
                   {system("s"), user("q"), calls({weather("Oslo", "c1"), weather("Rome", "c2")}),
                    tool("-3", "c1"), tool("20", "functions.get_weather:1")},
                   kNoPrompt),
            "<|im_system|>system<|im_middle|>s<|im_end|>"
            "<|im_user|>user<|im_middle|>q<|im_end|>"
            "<|im_assistant|>assistant<|im_middle|><|tool_calls_section_begin|>"
            "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
            "{\"city\": \"Oslo\"}<|tool_call_end|>"
            "<|tool_call_begin|>functions.get_weather:1<|tool_call_argument_begin|>"
            "{\"city\": \"Rome\"}<|tool_call_end|><|tool_calls_section_end|><|im_end|>"
            "<|im_system|>tool<|im_middle|>## Return of functions.get_weather:0\n-3<|im_end|>"
            "<|im_system|>tool<|im_middle|>## Return of functions.get_weather:1\n20<|im_end|>");
}

}  // namespace
}  // namespace hadal
