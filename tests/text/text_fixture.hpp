// What the tests of lib/text share: the golden files, the vocabularies they were made with, and
// vocabularies small enough to be written out.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/json.hpp"
#include "lib/text/tokenizer.hpp"

namespace hadal::test {

using Ids = std::vector<int32_t>;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

std::string read_golden(const std::string& name);  // tests/golden/text/NAME
Json golden_json(const std::string& name);

Vocabulary story_vocabulary(const std::string& pre_tokenizer = "deepseek-v3");
TokenizerPtr story_tokenizer(const std::string& pre_tokenizer = "deepseek-v3");
TokenizerPtr v3_tokenizer();  // a part of V3's vocabulary, under its ids

// The 256 bytes, in order of their values, then the merges' tokens, then the special ones.
struct Special {
  std::string text;
  TokenKind kind = TokenKind::kControl;
};
Vocabulary small_vocabulary(const std::vector<std::pair<std::string, std::string>>& merges,
                            const std::vector<Special>& specials);
TokenizerPtr tokenizer_of(Vocabulary vocabulary);

// The special tokens of DeepSeek and of Kimi over bare bytes.
TokenizerPtr deepseek_bytes_tokenizer();
TokenizerPtr kimi_bytes_tokenizer();

}  // namespace hadal::test
