// The importance matrix of what a model has computed so far, under GGUF's names.
#pragma once

#include "lib/convert/imatrix_file.hpp"
#include "lib/model/model.hpp"

namespace hadal {

// E_INVALID_ARGUMENT if the model was loaded without the option imatrix, or has computed nothing.
// with_head: also that of lm_head, which sees only rows whose logits were asked for.
absl::StatusOr<Imatrix> measured_importance(const Model& model, bool with_head);

}  // namespace hadal
