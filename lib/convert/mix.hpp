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

// One type per tensor, in their order. `mix` is "keep", the name of a type ("q8_0") or of a mix
// ("q4_k_m"), in either case. "q2_k" is the mix; all others that name a type and a mix are both.
//
// A tensor that is no matrix, the router and whatever else has to stay exact is f32 whatever the
// mix. Rows that are no whole number of blocks are not looked at here: type_choice finds what fits.
//
// E_OUT_OF_RANGE for a word that is none of these. Whether hadal can write the types is another
// question, and type_choice's too.
absl::StatusOr<std::vector<DType>> choose_types(absl::string_view mix,
                                                const std::vector<MixTensor>& tensors);

// The names of the mixes, for messages and help: "q2_k, q2_k_xs, ...".
std::string mix_names();

}  // namespace hadal
