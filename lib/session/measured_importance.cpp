#include "lib/session/measured_importance.hpp"

#include "lib/checkpoint/gguf_names.hpp"
#include "lib/model/named_weights.hpp"

namespace hadal {

absl::StatusOr<Imatrix> measured_importance(const Model& model, bool with_head) {
  const ImatrixBackend* sums = model.imatrix();
  if (sums == nullptr) {
    return fail(HADAL_E_INVALID_ARGUMENT, "the model does not measure its inputs",
                "Load it with the option imatrix.");
  }
  Imatrix imatrix;
  for (const NamedWeight& named : named_weights(model.weights())) {
    if (named.name == "lm_head" && !with_head) continue;
    const InputSums input = sums->input_of(*named.weight);
    if (input.slices == 0) continue;
    HADAL_RETURN_IF_ERROR(
        imatrix.add(gguf_tensor_name(named.name), input.cols, input.squares, input.counts));
  }
  if (imatrix.size() == 0) {
    return fail(HADAL_E_INVALID_ARGUMENT, "the model has computed nothing yet",
                "Prefill a text first: what goes into the weights is measured on the way.");
  }
  return imatrix;
}

}  // namespace hadal
