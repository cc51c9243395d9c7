#include "lib/model/rope.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hadal {
namespace {

// YaRN's factor on attention for a stretch of the context by `factor` (eq. 22 of its paper, with
// DeepSeek's coefficient in front of the logarithm).
double mscale(double coefficient, double factor) {
  return factor > 1.0 ? 0.1 * coefficient * std::log(factor) + 1.0 : 1.0;
}

// YaRN leaves fast pairs alone, divides the slow ones by `factor`, and blends between two pair
// numbers: those that turn beta_fast and beta_slow times within the original context.
void stretch(const YarnScaling& yarn, double theta, int32_t dim, std::vector<double>& frequencies) {
  const auto pair_turning = [&](double n_turns) {
    return dim *
           std::log(yarn.original_max_position_embeddings / (2 * std::numbers::pi * n_turns)) /
           (2 * std::log(theta));
  };
  const double low = std::max(std::floor(pair_turning(yarn.beta_fast)), 0.0);
  double high = std::min(std::ceil(pair_turning(yarn.beta_slow)), dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double slow = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] * (1 - slow) + frequencies[i] / yarn.factor * slow;
  }
}

}  // namespace

Rope::Rope(const ModelConfig& config) {
  const int32_t dim = config.qk_rope_head_dim;
  for (int32_t i = 0; i < dim / 2; ++i) {
    frequencies_.push_back(std::pow(config.rope_theta, -2.0 * i / dim));
  }
  // YaRN has two corrections, and both are applied always, for short prompts too: the factor on cos
  // and sin is a ratio, 1 where both keys agree; the attention logits carry mscale once for the
  // query and once for the key, hence squared.
  double logit_factor = 1.0;
  if (const auto& yarn = config.rope_scaling) {
    stretch(*yarn, config.rope_theta, dim, frequencies_);
    const double all_dim = mscale(yarn->mscale_all_dim, yarn->factor);
    magnitude_ = mscale(yarn->mscale, yarn->factor) / all_dim;
    logit_factor = all_dim * all_dim;
  }
  softmax_scale_ = static_cast<float>(logit_factor / std::sqrt(config.qk_head_dim()));
}

void Rope::fill(std::span<const int32_t> positions, float* out) const {
  for (const int32_t position : positions) {
    for (const double frequency : frequencies_) {
      const double angle = position * frequency;
      *out++ = static_cast<float>(std::cos(angle) * magnitude_);
      *out++ = static_cast<float>(std::sin(angle) * magnitude_);
    }
  }
}

}  // namespace hadal
