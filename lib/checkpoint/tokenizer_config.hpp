// What tokenizer_config.json adds to a vocabulary, whichever file the vocabulary itself stands in;
// and how values of such files are looked up.
#pragma once

#include <string>

#include "lib/base/json.hpp"
#include "lib/text/vocabulary.hpp"

namespace hadal {

// The value of a key; null (the pointer) if there is none or it is null.
const SortedJson* find_value(const SortedJson& object, const char* key);
const std::string* find_string(const SortedJson& object, const char* key);
// Whether a key is the boolean wanted; a key that is not there counts as `if_absent`.
bool says(const SortedJson& object, const char* key, bool wanted, bool if_absent);

// The kind of an added token, an object with a `special` of its own. As the converters to GGUF
// decide: what looks special is special.
TokenKind added_token_kind(const SortedJson& one, absl::string_view text);

// BOS, EOS, the padding and the chat template. `source` begins the messages.
absl::Status add_tokenizer_config(const SortedJson& config, absl::string_view source,
                                  Vocabulary& vocabulary);

}  // namespace hadal
