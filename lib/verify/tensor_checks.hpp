// Small tensors that decide much, with their values: correction biases of the router, and scales of
// fp8 blocks.
#pragma once

#include <cstddef>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/model/config.hpp"
#include "lib/verify/finding.hpp"

namespace hadal {

// All of them at once; of failures only those of reading and of memory.
absl::Status check_router_bias(const Checkpoint& checkpoint, const ModelConfig& config,
                               Findings& findings);

// A step looks at the scales of some tensors: V3 has 45,000.
class ScaleCheck {
 public:
  ScaleCheck(const Checkpoint& checkpoint, const ModelConfig& config)
      : checkpoint_(checkpoint), config_(config) {}

  bool done() const { return next_ > checkpoint_.manifest().entries().size(); }
  absl::Status step(Findings& findings);

 private:
  absl::Status look_at(const TensorEntry& entry, Findings& findings);

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  size_t next_ = 0;
  size_t n_scaled_ = 0, n_scales_ = 0;
};

}  // namespace hadal
