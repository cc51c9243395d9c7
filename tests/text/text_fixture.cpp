#include "tests/text/text_fixture.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "lib/checkpoint/tokenizer_json.hpp"
#include "lib/text/byte_alphabet.hpp"

namespace hadal::test {
namespace {

Vocabulary read_vocabulary(const std::string& tokenizer, const std::string& config) {
  absl::StatusOr<Vocabulary> vocabulary = read_tokenizer_json(tokenizer, config, "golden");
  EXPECT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
  return vocabulary.ok() ? *std::move(vocabulary) : Vocabulary{};
}

}  // namespace

std::string read_golden(const std::string& name) {
  std::ifstream file(std::string(HADAL_TEST_DATA "/golden/text/") + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

Json golden_json(const std::string& name) {
  absl::StatusOr<Json> json = parse_json(read_golden(name), name);
  EXPECT_TRUE(json.ok()) << message_of(json.status());
  return json.ok() ? *std::move(json) : Json();
}

Vocabulary story_vocabulary(const std::string& pre_tokenizer) {
  Vocabulary vocabulary = read_vocabulary(read_golden("story-tokenizer.json"),
                                          read_golden("story-tokenizer_config.json"));
  vocabulary.pre_tokenizer = pre_tokenizer;
  return vocabulary;
}

TokenizerPtr tokenizer_of(Vocabulary vocabulary) {
  absl::StatusOr<TokenizerPtr> tokenizer = Tokenizer::create(std::move(vocabulary));
  EXPECT_TRUE(tokenizer.ok()) << message_of(tokenizer.status());
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

TokenizerPtr story_tokenizer(const std::string& pre_tokenizer) {
  return tokenizer_of(story_vocabulary(pre_tokenizer));
}

TokenizerPtr v3_tokenizer() {
  return tokenizer_of(
      read_vocabulary(read_golden("v3-tokenizer.json"),
                      R"({"bos_token": "<｜begin▁of▁sentence｜>", "add_bos_token": true,
                          "eos_token": {"content": "<｜end▁of▁sentence｜>"}})"));
}

Vocabulary small_vocabulary(const std::vector<std::pair<std::string, std::string>>& merges,
                            const std::vector<Special>& specials) {
  Vocabulary vocabulary;
  vocabulary.source = "small";
  vocabulary.pre_tokenizer = "deepseek-v3";
  vocabulary.add_bos = false;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    vocabulary.tokens.push_back({spelling_of_bytes(absl::string_view(&c, 1)), TokenKind::kNormal});
  }
  for (const auto& [left, right] : merges) {
    vocabulary.merges.push_back(
        absl::StrCat(spelling_of_bytes(left), " ", spelling_of_bytes(right)));
    vocabulary.tokens.push_back({spelling_of_bytes(left + right), TokenKind::kNormal});
  }
  for (const Special& special : specials) vocabulary.tokens.push_back({special.text, special.kind});
  return vocabulary;
}

TokenizerPtr deepseek_bytes_tokenizer() {
  Vocabulary vocabulary = small_vocabulary({}, {{"<｜begin▁of▁sentence｜>"},
                                                {"<｜end▁of▁sentence｜>"},
                                                {"<｜User｜>"},
                                                {"<｜Assistant｜>"},
                                                {"<think>", TokenKind::kUserDefined},
                                                {"</think>", TokenKind::kUserDefined},
                                                {"<｜tool▁calls▁begin｜>"},
                                                {"<｜tool▁calls▁end｜>"},
                                                {"<｜tool▁call▁begin｜>"},
                                                {"<｜tool▁call▁end｜>"},
                                                {"<｜tool▁sep｜>"},
                                                {"<｜tool▁outputs▁begin｜>"},
                                                {"<｜tool▁outputs▁end｜>"},
                                                {"<｜tool▁output▁begin｜>"},
                                                {"<｜tool▁output▁end｜>"}});
  vocabulary.bos_id = 256;
  vocabulary.eos_ids = {257};
  vocabulary.add_bos = true;
  return tokenizer_of(std::move(vocabulary));
}

TokenizerPtr kimi_bytes_tokenizer() {
  Vocabulary vocabulary = small_vocabulary({}, {{"[BOS]"},
                                                {"[EOS]"},
                                                {"<|im_end|>"},
                                                {"<|im_user|>"},
                                                {"<|im_assistant|>"},
                                                {"<|im_system|>"},
                                                {"<|im_middle|>"},
                                                {"<|tool_calls_section_begin|>"},
                                                {"<|tool_calls_section_end|>"},
                                                {"<|tool_call_begin|>"},
                                                {"<|tool_call_argument_begin|>"},
                                                {"<|tool_call_end|>"}});
  vocabulary.pre_tokenizer = "kimi-k2";
  vocabulary.bos_id = 256;
  vocabulary.eos_ids = {257};
  return tokenizer_of(std::move(vocabulary));
}

}  // namespace hadal::test
