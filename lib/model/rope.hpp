// Rotary positions, with or without YaRN, and the scale of the attention logits that comes with it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/model/config.hpp"

namespace hadal {

class Rope {
 public:
  explicit Rope(const ModelConfig& config);

  // (qk_nope_head_dim + qk_rope_head_dim)^-1/2, times mscale^2 under YaRN.
  float softmax_scale() const { return softmax_scale_; }
  // cos and sin are multiplied by this: 1 in every released model.
  double magnitude() const { return magnitude_; }
  const std::vector<double>& frequencies() const { return frequencies_; }  // [qk_rope_head_dim / 2]

  // Cos and sin of every pair for each position, from angles in double: in float they are wrong by
  // whole degrees at position 100,000. out: [positions.size(), qk_rope_head_dim], (cos, sin) a
  // pair.
  void fill(std::span<const int32_t> positions, float* out) const;

 private:
  std::vector<double> frequencies_;
  double magnitude_ = 1.0;
  float softmax_scale_ = 0.0f;
};

}  // namespace hadal
