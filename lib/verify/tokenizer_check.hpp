// The tokenizer of a checkpoint: text there and back, and every special token as itself.
#pragma once

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/model/config.hpp"
#include "lib/verify/finding.hpp"

namespace hadal {

// config may be null: then the rows of the model are not compared.
void check_tokenizer(const Checkpoint& checkpoint, const ModelConfig* config, Findings& findings);

}  // namespace hadal
