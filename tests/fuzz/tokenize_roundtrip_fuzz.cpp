// Any text, with any pre-tokenizer and both ways of treating special tokens: decoding what was
// encoded gives the text again, byte for byte, and no special id comes unasked for. The first byte
// chooses, the rest is the text.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/text/byte_alphabet.hpp"
#include "lib/text/pre_tokenizer.hpp"
#include "lib/text/tokenizer.hpp"

namespace {

using TokenizerPtr = std::shared_ptr<const hadal::Tokenizer>;

// Bytes, some merges that overlap, special tokens that are the beginning of each other.
TokenizerPtr make_tokenizer(const char* pre_tokenizer) {
  using hadal::TokenKind;
  hadal::Vocabulary vocabulary;
  vocabulary.source = "fuzz";
  vocabulary.pre_tokenizer = pre_tokenizer;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    vocabulary.tokens.push_back(
        {hadal::spelling_of_bytes(absl::string_view(&c, 1)), TokenKind::kNormal});
  }
  const std::pair<const char*, const char*> merges[] = {
      {"t", "h"}, {"th", "e"}, {" ", "the"}, {"a", "a"},       {"aa", "aa"},        {"e", "r"},
      {"h", "e"}, {" ", " "},  {"1", "2"},   {"\xE6", "\xAF"}, {"\xE6\xAF", "\x95"}};
  for (const auto& [left, right] : merges) {
    const std::string spelled_left = hadal::spelling_of_bytes(left);
    const std::string spelled_right = hadal::spelling_of_bytes(right);
    vocabulary.merges.push_back(spelled_left + " " + spelled_right);
    vocabulary.tokens.push_back({spelled_left + spelled_right, TokenKind::kNormal});
  }
  for (const char* text : {"<", "<s>", "<s></s>", "<｜User｜>", "aaa"}) {
    vocabulary.tokens.push_back({text, TokenKind::kControl});
  }
  vocabulary.tokens.push_back({"<think>", TokenKind::kUserDefined});
  auto tokenizer = hadal::Tokenizer::create(std::move(vocabulary));
  HADAL_CHECK(tokenizer.ok());
  return *std::move(tokenizer);
}

const TokenizerPtr& tokenizer_number(size_t number) {
  static const std::vector<TokenizerPtr> all = [] {
    std::vector<TokenizerPtr> tokenizers;
    for (const hadal::PreTokenizer* one : hadal::pre_tokenizers()) {
      tokenizers.push_back(make_tokenizer(one->name));
    }
    return tokenizers;
  }();
  return all[number % all.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const hadal::Tokenizer& tokenizer = *tokenizer_number(data[0] >> 1);
  const bool parse_special = (data[0] & 1) != 0;
  const std::string text(data + 1, data + size);

  const std::vector<int32_t> ids = tokenizer.encode(text, parse_special);
  HADAL_CHECK(tokenizer.decode(ids, true) == text);
  HADAL_CHECK(ids.size() <= text.size());
  if (!parse_special) {
    for (const int32_t id : ids) HADAL_CHECK(tokenizer.kind(id) == hadal::TokenKind::kNormal);
  }
  return 0;
}
