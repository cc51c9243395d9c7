// Reads the tiktoken.model of Kimi-K2 and Moonlight, and the tokenizer_config.json beside it, which
// names the special tokens, into a Vocabulary.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "lib/base/status.hpp"
#include "lib/text/vocabulary.hpp"

namespace hadal {

// Each line is a token, its bytes in base64, and its rank, which is its id. `vocab_size` is the
// number of rows of the embedding, if known: special tokens beyond it do not exist. `source` names
// the file in messages. E_FORMAT for what is damaged, E_UNSUPPORTED for another kind of tokenizer.
absl::StatusOr<Vocabulary> read_tiktoken_model(absl::string_view model,
                                               absl::string_view tokenizer_config,
                                               std::optional<int64_t> vocab_size,
                                               absl::string_view source);

}  // namespace hadal
