// Text to ids and back: special tokens first, then the pre-tokenizer's pieces, then BPE in each.
// Immutable and thread-safe. Any bytes survive the way there and back (except, with a vocabulary
// that lacks tokens for them, bytes that UTF-8 never uses: they become U+FFFD).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/base/status.hpp"
#include "lib/text/vocabulary.hpp"

namespace hadal {

class Tokenizer {
 public:
  // Checks the vocabulary and builds the tables. E_FORMAT, E_UNSUPPORTED for an unknown
  // pre-tokenizer; the message names vocabulary.source.
  static absl::StatusOr<std::shared_ptr<const Tokenizer>> create(Vocabulary vocabulary);
  ~Tokenizer();

  // Most bytes of one text: places in it are counted in 32 bits.
  static constexpr size_t kMostBytes = std::numeric_limits<int32_t>::max();

  // Never adds BOS. With parse_special the texts of control and user-defined tokens become those
  // tokens (longest match, leftmost); without, no special id ever comes out. At most kMostBytes.
  std::vector<int32_t> encode(absl::string_view text, bool parse_special) const;

  // Raw bytes; control tokens are left out unless with_special, user-defined ones (<think>) are
  // text, unused ids give nothing. Ids must be in range.
  std::string decode(std::span<const int32_t> ids, bool with_special) const;
  absl::string_view bytes(int32_t id) const;  // of one token, special or not

  int32_t n_tokens() const;  // rows of the vocabulary, padding included
  TokenKind kind(int32_t id) const;
  bool has_text(int32_t id) const { return kind(id) != TokenKind::kUnused; }
  bool ends_generation(int32_t id) const;  // eos, and the end-of-turn tokens of the family
  std::optional<int32_t> find_special(absl::string_view text) const;  // "<think>"
  std::optional<int32_t> bos_id() const;
  bool add_bos() const;
  const std::string& chat_template() const;

 private:
  struct Tables;
  explicit Tokenizer(std::unique_ptr<const Tables> tables);
  std::unique_ptr<const Tables> tables_;
};

}  // namespace hadal
