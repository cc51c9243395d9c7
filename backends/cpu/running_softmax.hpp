// Softmax over scores that come a few positions at a time: what was summed so far is scaled down
// when a larger score turns up.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "backends/cpu/kernels.hpp"

namespace hadal::cpu {

struct RunningSoftmax {
  float largest = -std::numeric_limits<float>::infinity();
  float total = 0.0f;

  // Turns the scores of n positions into weights, to be summed into out[0] to out[n_out - 1].
  void weigh(const Kernels& kernels, float* scores, int64_t n, float scale, float* out,
             int64_t n_out) {
    float most = largest;
    for (int64_t p = 0; p < n; ++p) {
      scores[p] *= scale;
      if (scores[p] > most) most = scores[p];
    }
    raise(most, out, n_out);
    total += kernels.exp_and_sum(scores, largest, n);
  }

  // The same with weights in bf16: what is added up is what they are once they are rounded. Writes
  // a weight of 0 behind the last where n is odd.
  void weigh_in_bf16(const Kernels& kernels, float* scores, int64_t n, float scale,
                     uint16_t* weights, float* out, int64_t n_out) {
    raise(kernels.bf16->scale_and_find_largest(scores, scale, n, largest), out, n_out);
    kernels.exp_and_sum(scores, largest, n);
    total += kernels.bf16->round_and_sum(scores, n, weights);
    if (n % 2 != 0) weights[n] = 0;
  }

  void finish(float* out, int64_t n_out) const { multiply(out, n_out, 1.0f / total); }

 private:
  void raise(float most, float* out, int64_t n_out) {
    if (!(most > largest)) return;
    const float shrink = std::exp(largest - most);  // 0 at first
    total *= shrink;
    multiply(out, n_out, shrink);
    largest = most;
  }
  static void multiply(float* out, int64_t n, float factor) {
    for (int64_t c = 0; c < n; ++c) out[c] *= factor;
  }
};

}  // namespace hadal::cpu
