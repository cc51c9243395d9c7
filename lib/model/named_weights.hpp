// The matrices that a pass multiplies with, under their names.
#pragma once

#include <string>
#include <vector>

#include "lib/model/weights.hpp"

namespace hadal {

struct NamedWeight {
  std::string name;  // hadal's, as in checkpoint.hpp
  const Weight* weight;
  // kv_b_proj in one piece, which is kept in halves: `weight` is then the gain that its input, the
  // latents, were normalised with.
  bool is_joint_kv_b = false;
};

// In the order of the layers. MTP layers are left out: passes do not run them.
std::vector<NamedWeight> named_weights(const ModelWeights& weights);

}  // namespace hadal
