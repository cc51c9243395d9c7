// Mirrors lib/text/message: roles and messages from JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/text/chat_format.hpp"

namespace hadal {
namespace {

using testing::HasSubstr;

TEST(MessageTest, RolesHaveTheirNames) {
  EXPECT_EQ(*role_from_name("system"), Role::kSystem);
  EXPECT_EQ(*role_from_name("user"), Role::kUser);
  EXPECT_EQ(*role_from_name("assistant"), Role::kAssistant);
  EXPECT_EQ(*role_from_name("tool"), Role::kTool);
  const absl::Status status = role_from_name("User").status();
  EXPECT_EQ(code_of(status), HADAL_E_INVALID_ARGUMENT);
  for (const char* name : {"system", "user", "assistant", "tool"}) {
    EXPECT_THAT(hint_of(status), HasSubstr(name));
  }
}

TEST(MessageTest, PlainMessage) {
  const auto message = message_from_json(R"({"role": "user", "content": "Gr\u00fc\u00dfe"})");
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->role, Role::kUser);
  EXPECT_EQ(message->content, "Grüße");
  EXPECT_TRUE(message->has_content);
  EXPECT_TRUE(message->tool_calls.empty());
}

TEST(MessageTest, ToolCallsAndToolResult) {
  const auto call = message_from_json(
      R"({"role": "assistant", "content": null, "tool_calls": [
          {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
          {"function": {"name": "g", "arguments": ""}}]})");
  ASSERT_TRUE(call.ok()) << message_of(call.status());
  EXPECT_FALSE(call->has_content);
  EXPECT_EQ(call->content, "");
  ASSERT_EQ(call->tool_calls.size(), 2u);
  EXPECT_EQ(call->tool_calls[0].id, "c1");
  EXPECT_EQ(call->tool_calls[0].name, "f");
  EXPECT_EQ(call->tool_calls[0].arguments, R"({"a": 1})");
  EXPECT_EQ(call->tool_calls[1].type, "function");

  const auto result =
      message_from_json(R"({"role": "tool", "content": "-3 C", "tool_call_id": "c1"})");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->tool_call_id, "c1");
}

TEST(MessageTest, WhatIsNoJsonIsSaidOnce) {
  const absl::Status status = message_from_json("{").status();
  EXPECT_EQ(code_of(status), HADAL_E_INVALID_ARGUMENT);
  EXPECT_THAT(message_of(status), testing::StartsWith("message: not valid JSON"));
  EXPECT_THAT(hint_of(status), HasSubstr("tool_calls"));
}

TEST(MessageTest, WhatIsNoMessageIsRefused) {
  for (const char* json :
       {"", "null", "[]", "\"user\"", "{", R"({"role": "user"})", R"({"content": "x"})",
        R"({"role": "user", "content": 1})", R"({"role": 1, "content": "x"})",
        R"({"role": "robot", "content": "x"})", R"({"role": "user", "content": null})",
        R"({"role": "user", "content": "x", "tool_calls": {}})",
        R"({"role": "user", "content": "x", "tool_calls": [{"function": {"name": "f"}}]})",
        R"({"role": "assistant", "content": null, "tool_calls": []})",
        R"({"role": "assistant", "tool_calls": [1]})",
        R"({"role": "assistant", "tool_calls": [{}]})",
        R"({"role": "assistant", "tool_calls": [{"function": {}}]})",
        R"({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]})",
        "{\"role\": \"user\", \"content\": \"\xFF\"}"}) {
    const absl::Status status = message_from_json(json).status();
    EXPECT_EQ(code_of(status), HADAL_E_INVALID_ARGUMENT) << json;
    EXPECT_FALSE(hint_of(status).empty()) << json;
  }
}

TEST(MessageTest, DeepNestingIsRefused) {
  const std::string deep(100000, '[');
  EXPECT_EQ(code_of(message_from_json(deep).status()), HADAL_E_INVALID_ARGUMENT);
}

TEST(MessageTest, ManyKeysTakeNoLongTime) {
  std::string json = R"({"role": "user", "content": "x")";
  for (int i = 0; i < 200000; ++i) json += absl::StrCat(",\"k", i, "\":0");
  EXPECT_TRUE(message_from_json(json + "}").ok());
}

}  // namespace
}  // namespace hadal
