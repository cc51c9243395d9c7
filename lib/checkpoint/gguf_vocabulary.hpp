// The tokenizer that a GGUF file carries in its metadata.
#pragma once

#include <optional>
#include <string>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/checkpoint/gguf_metadata.hpp"

namespace hadal {

// `path` is for messages; `vocab_size` are the rows of the embedding, of which the last may have no
// token. E_FORMAT if keys are missing or do not fit together, E_UNSUPPORTED for another kind of
// tokenizer.
absl::StatusOr<Vocabulary> read_gguf_vocabulary(const GgufMetadata& metadata,
                                                const std::string& path,
                                                std::optional<int64_t> vocab_size);

}  // namespace hadal
