// Reads the tokenizer.json of Hugging Face's tokenizers, and the tokenizer_config.json beside it,
// into a Vocabulary. The only file that knows their keys.
#pragma once

#include "absl/strings/string_view.h"
#include "lib/base/status.hpp"
#include "lib/text/vocabulary.hpp"

namespace hadal {

// `tokenizer_config` may be empty: then there is no BOS, EOS and chat template. `source` names the
// file in messages. E_FORMAT for what is damaged, E_UNSUPPORTED for a tokenizer that is no
// byte-level BPE or cuts text by rules that hadal lacks.
absl::StatusOr<Vocabulary> read_tokenizer_json(absl::string_view tokenizer,
                                               absl::string_view tokenizer_config,
                                               absl::string_view source);

}  // namespace hadal
