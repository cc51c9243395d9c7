// Mirrors lib/text/chat_format: names, recognition, from pieces to ids.
#include "lib/text/chat_format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/text_fixture.hpp"

namespace hadal {
namespace {

using test::Ids;
using testing::HasSubstr;

Message user(std::string text) { return {.role = Role::kUser, .content = std::move(text)}; }

std::string recognised(absl::string_view chat_template) {
  const auto format = recognise_chat_format(chat_template);
  return format.ok() ? (*format)->name() : status_name(code_of(format.status()));
}

TEST(ChatFormatTest, EveryNameFindsItsFormat) {
  ASSERT_EQ(chat_format_names().size(), 6u);
  for (const char* name : chat_format_names()) {
    const auto format = chat_format(name);
    ASSERT_TRUE(format.ok());
    EXPECT_STREQ((*format)->name(), name);
  }
}

TEST(ChatFormatTest, UnknownNameIsAnErrorThatListsTheNames) {
  const absl::Status status = chat_format("chatml").status();
  EXPECT_EQ(code_of(status), HADAL_E_OUT_OF_RANGE);
  for (const char* name : chat_format_names()) EXPECT_THAT(hint_of(status), HasSubstr(name));
}

TEST(ChatFormatTest, UnknownOrEmptyTemplateIsAnErrorThatNamesTheWayOut) {
  for (const char* text :
       {"", " \n", "{{ messages }}",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}",
        "<｜User｜> without the other marker", "[INST] {{ content }} [/INST]",
        "{{ 'USER: ' + message['content'] + '\\n\\n' }}{{ 'ASSISTANT:' }}"}) {
    const absl::Status status = recognise_chat_format(text).status();
    EXPECT_EQ(code_of(status), HADAL_E_UNSUPPORTED) << text;
    EXPECT_THAT(hint_of(status), HasSubstr("chat_format"));
    for (const char* name : chat_format_names()) EXPECT_THAT(hint_of(status), HasSubstr(name));
  }
}

// T9: templates of the releases, in short. Line breaks, indentation and quotes vary.
TEST(ChatFormatTest, TemplatesOfTheReleases) {
  EXPECT_EQ(recognised("{{ bos_token }}{{ '<｜User｜>' + message['content'] }}"
                       "{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}"
                       "{% if add_generation_prompt and not ns.is_tool %}"
                       "{{'<｜Assistant｜>'}}{% endif %}"),
            "deepseek-v3");
  EXPECT_EQ(recognised("{{'<｜User｜>' + message['content']}}{% if '</think>' in content %}"
                       "{% set content = content.split('</think>')[-1] %}{% endif %}"
                       "{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}"
                       "{% if add_generation_prompt %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"),
            "deepseek-r1");
  EXPECT_EQ(recognised("{{ '<｜User｜>' + message['content']\n   + '<｜Assistant｜>' }}"
                       "{{ content + '<｜end▁of▁sentence｜>' }}"),
            "deepseek-v3-0324");
  EXPECT_EQ(recognised("{% if enable_thinking is defined %}x{% endif %}"
                       "{{\"<｜User｜>\" + content + \"<｜Assistant｜>\"}}"),
            "deepseek-v3-0324");
  EXPECT_EQ(recognised("{% if not thinking is defined %}{% set thinking = false %}{% endif %}"
                       "{{'<｜User｜>' + message['content']}}{{'<｜Assistant｜>'}}"
                       "{% if not thinking %}{{'</think>'}}{% else %}{{'<think>'}}{% endif %}"),
            "deepseek-v3.1");
  EXPECT_EQ(recognised("{{'<｜User｜>' + message['content']}}{{'<｜Assistant｜></think>'}}"),
            "deepseek-v3.1");
  EXPECT_EQ(recognised("{% if message['role'] == 'user' %}"
                       "{{ 'User: ' + message['content'] + '\\n\\n' }}"
                       "{% elif message['role'] == 'assistant' %}"
                       "{{ 'Assistant: ' + message['content'] + eos_token }}"
                       "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"),
            "deepseek-v2");
  EXPECT_EQ(recognised("<|im_user|>user<|im_middle|>{{ c }}<|im_end|>"
                       "<|im_assistant|>assistant<|im_middle|>"),
            "kimi-k2");
}

TEST(ChatFormatTest, TemplatesOfLaterReleasesAreNotGuessed) {
  EXPECT_EQ(recognised("<|im_assistant|>assistant<|im_middle|><think></think>"), "E_UNSUPPORTED");
  EXPECT_EQ(recognised("{% set dsml_token = '｜DSML｜' %}<｜User｜><｜Assistant｜></think>"),
            "E_UNSUPPORTED");
}

TEST(ChatFormatTest, StoryModelsTemplateIsV3s) {
  EXPECT_EQ(recognised(test::story_tokenizer()->chat_template()), "deepseek-v3");
}

// R1-0528's template drops reasoning from the history, V3-0324's does not know of any.
TEST(ChatFormatTest, RevisionsDifferInTheReasoningOfTheHistory) {
  const std::string plain = "{{'<｜User｜>' + content + '<｜Assistant｜>'}}";
  const std::string dropping = plain + "{% set content = content.split('</think>')[-1] %}";
  const std::vector<Message> messages = {{.role = Role::kAssistant, .content = "a</think>b"}};
  const ChatOptions options = {.add_generation_prompt = false};
  const auto kept = (*recognise_chat_format(plain))->render(messages, options);
  const auto dropped = (*recognise_chat_format(dropping))->render(messages, options);
  EXPECT_EQ(text_of(*kept), "<｜begin▁of▁sentence｜>a</think>b<｜end▁of▁sentence｜>");
  EXPECT_EQ(text_of(*dropped), "<｜begin▁of▁sentence｜>b<｜end▁of▁sentence｜>");
}

TEST(ChatFormatTest, StoryChatsAgreeWithTheirTemplate) {
  const auto tokenizer = test::story_tokenizer();
  const ChatFormat* format = *recognise_chat_format(tokenizer->chat_template());
  const Json golden = test::golden_json("story-chats.json");
  ASSERT_FALSE(golden.empty());
  for (const Json& chat : golden) {
    SCOPED_TRACE(chat["messages"].dump());
    std::vector<Message> messages;
    for (const Json& message : chat["messages"]) {
      messages.push_back(*message_from_json(message.dump()));
    }
    const auto pieces = format->render(messages, {});
    ASSERT_TRUE(pieces.ok());
    EXPECT_EQ(text_of(*pieces), chat["text"].get<std::string>());
    EXPECT_EQ(encode_pieces(*tokenizer, *pieces), chat["ids"].get<Ids>());
  }
}

class EveryFormatTest : public testing::TestWithParam<const char*> {
 protected:
  const ChatFormat& format() const { return **chat_format(GetParam()); }
  test::TokenizerPtr tokenizer() const {
    return GetParam() == std::string("kimi-k2") ? test::kimi_bytes_tokenizer()
                                                : test::deepseek_bytes_tokenizer();
  }
};
INSTANTIATE_TEST_SUITE_P(Formats, EveryFormatTest, testing::ValuesIn(chat_format_names()),
                         [](const auto& name) {
                           std::string text = name.param;
                           for (char& c : text) c = std::isalnum(c) ? c : '_';
                           return text;
                         });

// T3
TEST_P(EveryFormatTest, BosComesExactlyOnceAndFirst) {
  const auto tokenizer = this->tokenizer();
  for (const bool add_bos : {true, false}) {
    Vocabulary vocabulary = test::small_vocabulary({}, {{"<｜begin▁of▁sentence｜>"}});
    vocabulary.bos_id = 256;
    vocabulary.add_bos = add_bos;
    const auto small = test::tokenizer_of(vocabulary);
    const auto pieces = format().render(std::vector<Message>{user("Hi")}, {});
    ASSERT_TRUE(pieces.ok());
    const Ids ids = encode_pieces(*small, *pieces);
    const bool writes_it = GetParam() != std::string("kimi-k2");
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 256), add_bos || writes_it ? 1 : 0);
    if (add_bos || writes_it) {
      EXPECT_EQ(ids.front(), 256);
    }
  }
}

TEST_P(EveryFormatTest, EmptyConversationHasBosAlone) {
  const auto pieces = format().render({}, {.add_generation_prompt = false});
  ASSERT_TRUE(pieces.ok());
  EXPECT_EQ(encode_pieces(*tokenizer(), *pieces).size(),
            GetParam() == std::string("kimi-k2") ? 0u : 1u);
}

// T10: markers that people write stay text in every role.
TEST_P(EveryFormatTest, WhatPeopleWroteNeverBecomesASpecialToken) {
  const auto tokenizer = this->tokenizer();
  std::string markers;
  for (int32_t id = 256; id < tokenizer->n_tokens(); ++id) {
    markers += std::string(tokenizer->bytes(id));
  }
  const auto special_ids = [&](const std::string& content) {
    std::vector<Message> messages = {{.role = Role::kSystem, .content = content},
                                     user(content),
                                     {.role = Role::kAssistant, .content = content},
                                     user(content)};
    if (GetParam() != std::string("deepseek-v2")) {
      messages.push_back({.role = Role::kAssistant,
                          .content = content,
                          .tool_calls = {{content, content, content, content}}});
      messages.push_back({.role = Role::kTool, .content = content, .tool_call_id = content + "x"});
    }
    Ids special;
    const auto pieces = format().render(messages, {});
    EXPECT_TRUE(pieces.ok());
    for (const int32_t id : encode_pieces(*tokenizer, *pieces)) {
      if (id >= 256) special.push_back(id);
    }
    return special;
  };
  EXPECT_EQ(special_ids(markers), special_ids("harmless"));
}

TEST_P(EveryFormatTest, NeighbouringStretchesAreOfDifferentKinds) {
  const auto pieces =
      format().render(std::vector<Message>{{.role = Role::kSystem, .content = "s"},
                                           {.role = Role::kSystem, .content = "t"},
                                           user("u"),
                                           {.role = Role::kAssistant, .content = "a"}},
                      {});
  ASSERT_TRUE(pieces.ok());
  for (size_t i = 0; i + 1 < pieces->size(); ++i) {
    EXPECT_NE((*pieces)[i].special, (*pieces)[i + 1].special);
    EXPECT_FALSE((*pieces)[i].text.empty());
  }
}

}  // namespace
}  // namespace hadal
