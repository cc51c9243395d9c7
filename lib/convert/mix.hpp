// Which type each tensor of a checkpoint gets when it is written anew: one type throughout, or a
// mix such as q4_k_m, which spends more bits where they matter.
#pragma once

#include <string>
#include <vector>

#include "lib/base/status.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

struct MixTensor {
  std::string name;            // hadal's, as in checkpoint.hpp
  DType dtype = DType::kF32;   // what it has
  std::vector<int64_t> shape;  // [outer, ..., inner]
};

// One type per tensor, in their order. `mix` is "keep", the name of a type ("q8_0") or of a mix. A
// tensor that is no matrix, the router and whatever else has to stay exact is f32 whatever the mix.
// E_OUT_OF_RANGE for a word that is none of these, or a type that hadal does not write.
absl::StatusOr<std::vector<DType>> choose_types(absl::string_view mix,
                                                const std::vector<MixTensor>& tensors);

}  // namespace hadal
