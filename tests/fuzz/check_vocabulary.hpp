// What must hold of whatever a reader of tokenizers makes of a text.
#pragma once

#include <string>
#include <utility>

#include "lib/text/tokenizer.hpp"

namespace hadal::fuzz {

// An error with a hint, or a vocabulary; and where that makes a tokenizer, a fixed text survives
// the way to ids and back.
inline void check_vocabulary(absl::StatusOr<Vocabulary> vocabulary) {
  if (!vocabulary.ok()) {
    HADAL_CHECK(!hint_of(vocabulary.status()).empty());
    const hadal_status code = code_of(vocabulary.status());
    HADAL_CHECK(code == HADAL_E_FORMAT || code == HADAL_E_UNSUPPORTED);
    return;
  }
  const auto tokenizer = Tokenizer::create(*std::move(vocabulary));
  if (!tokenizer.ok()) {
    HADAL_CHECK(!hint_of(tokenizer.status()).empty());
    return;
  }
  const std::string text = "Hello! ab 12345\r\n\xE6\xAF\x95\xE8\x80\x81 <s>\t\xF0\x9F\x98\x80 abab";
  for (const bool parse_special : {false, true}) {
    const auto ids = (*tokenizer)->encode(text, parse_special);
    HADAL_CHECK(ids.size() <= text.size());
    HADAL_CHECK((*tokenizer)->decode(ids, true) == text);
  }
}

}  // namespace hadal::fuzz
