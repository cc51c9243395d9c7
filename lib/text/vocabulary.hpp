// A vocabulary as a checkpoint spells it: plain data, filled by the readers of checkpoints, checked
// and indexed by Tokenizer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hadal {

enum class TokenKind : uint8_t {
  kNormal,       // text in the byte alphabet of GPT-2
  kControl,      // special: steers the model, no text for people
  kUserDefined,  // matched whole, but text: <think>
  kUnused,       // a row without a meaning: padding
};

struct Vocabulary {
  struct Token {
    std::string text;  // normal tokens: in the byte alphabet; the others: as it is
    TokenKind kind = TokenKind::kNormal;
  };
  std::string source;               // the file, for messages
  std::string pre_tokenizer;        // "deepseek-v3", "deepseek-llm", "deepseek-coder", "kimi-k2"
  std::vector<Token> tokens;        // by id
  std::vector<std::string> merges;  // "left right", by rank
  bool whole_pieces = false;        // a piece that is a token is that one, wherever merges lead
  std::optional<int32_t> bos_id;
  std::vector<int32_t> eos_ids;   // every id that ends a turn, as far as the file says
  std::optional<int32_t> pad_id;  // hadal has no use for it; who writes files does
  bool add_bos = true;            // plain text begins with BOS
  std::string chat_template;      // Jinja source, or empty
};

}  // namespace hadal
