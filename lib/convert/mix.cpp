#include "lib/convert/mix.hpp"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/tensor/block_encoders.hpp"

namespace hadal {
namespace {

bool stays_exact(const MixTensor& tensor) {
  return tensor.shape.size() < 2 || absl::EndsWith(tensor.name, ".mlp.gate");
}

}  // namespace

absl::StatusOr<std::vector<DType>> choose_types(absl::string_view mix,
                                                const std::vector<MixTensor>& tensors) {
  std::vector<DType> types;
  if (mix == "keep") {
    for (const MixTensor& t : tensors) types.push_back(t.dtype);
    return types;
  }
  const std::optional<DType> wanted = dtype_from_name(mix);
  if (!wanted || !can_encode(*wanted)) {
    return fail(HADAL_E_OUT_OF_RANGE, absl::StrCat("\"", mix, "\" is no type that hadal writes"),
                "Give keep, f32, f16, bf16 or q8_0.");
  }
  for (const MixTensor& t : tensors) types.push_back(stays_exact(t) ? DType::kF32 : *wanted);
  return types;
}

}  // namespace hadal
