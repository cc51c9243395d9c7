// What tokenizer_config.json adds to a vocabulary, whichever file the vocabulary itself stands in.
#pragma once

#include "lib/base/json.hpp"
#include "lib/text/vocabulary.hpp"

namespace hadal {

// The kind of an added token, an object with a `special` of its own. As the converters to GGUF
// decide: what looks special is special.
TokenKind added_token_kind(const SortedJson& one, absl::string_view text);

// BOS, EOS, the padding and the chat template. `source` begins the messages.
absl::Status add_tokenizer_config(const SortedJson& config, absl::string_view source,
                                  Vocabulary& vocabulary);

}  // namespace hadal
