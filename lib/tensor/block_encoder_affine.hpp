// Fits of x by scale * level - minimum, levels from 0 to kHigh: q4_1, q5_1 with numbers of their
// own per group, q2_k, q4_k, q5_k with whole-number scales and minima. Private to the encoders.
//
// As in block_encoder_signed.hpp: for given levels the error is a quadratic form of scale and
// minimum, so a start is judged by six sums.
#pragma once

#include "lib/tensor/block_encoder_lanes.hpp"

namespace hadal::encoders {

// What does not depend on the levels.
struct ElementSums {
  Float4 w = {}, x = {}, one_over_w = {};
};
template <int kSize>
ElementSums sums_of_elements(const Groups<kSize>& g) {
  ElementSums s;
  for (int i = 0; i < kSize; ++i) {
    s.w += g.w[i];
    s.x += g.w[i] * g.x[i];
  }
  s.one_over_w = 1.0f / s.w;
  return s;
}

// Where to begin: the levels, with fractions, that the smallest (or zero) and the largest element
// get.
struct Ends {
  float first, last;
};

struct AffineSums {
  Float4 l = {}, ll = {}, xl = {};
};

// The sums of the levels nearest to x * inverse + offset.
template <int kHigh, int kSize>
AffineSums sums_of(const Groups<kSize>& g, Float4 inverse, Float4 offset) {
  AffineSums s;
  for (int i = 0; i < kSize; ++i) {
    const Float4 level = nearest(clamp(g.x[i] * inverse + offset, 0.0f, static_cast<float>(kHigh)));
    const Float4 weighted = g.w[i] * level;
    s.l += weighted;
    s.ll += weighted * level;
    s.xl += weighted * g.x[i];
  }
  return s;
}

struct ScaleAndMinimum {
  Float4 scale, minimum;
};

// The minimum that suits a scale.
inline Float4 best_minimum(const ElementSums& e, const AffineSums& s, Float4 scale) {
  return (scale * s.l - e.x) * e.one_over_w;
}

// The bottom of the error. The equations of scale and minimum do not tell them apart where all
// levels are alike: the scale is zero then.
inline Float4 best_scale(const ElementSums& e, const AffineSums& s) {
  const Float4 determinant = e.w * s.ll - s.l * s.l;
  return select(determinant > 1e-6f * (e.w * s.ll), quotient(e.w * s.xl - e.x * s.l, determinant),
                all(0.0f));
}
// The same where the minimum may not be negative, which leaves none where it would be, or where all
// levels are alike.
inline Float4 best_scale_below_zero(const ElementSums& e, const AffineSums& s) {
  const Float4 determinant = e.w * s.ll - s.l * s.l, numerator = e.w * s.xl - e.x * s.l;
  const Int4 none = (numerator * s.l < e.x * determinant) | (determinant <= 1e-6f * (e.w * s.ll));
  return quotient(select(none, s.xl, numerator), select(none, s.ll, determinant));
}

// The error less sum w x^2.
inline Float4 error_of(const ElementSums& e, const AffineSums& s, const ScaleAndMinimum& f) {
  return f.scale * (f.scale * s.ll - 2.0f * (s.xl + f.minimum * s.l)) +
         f.minimum * (f.minimum * e.w + 2.0f * e.x);
}

struct AffineFit {
  ScaleAndMinimum found = {};
  Float4 error = {};
  AffineSums sums;

  void offer(const ElementSums& e, const AffineSums& s, const ScaleAndMinimum& f) {
    const Float4 now = error_of(e, s, f);
    const Int4 better = now < error;
    found.scale = select(better, f.scale, found.scale);
    found.minimum = select(better, f.minimum, found.minimum);
    error = select(better, now, error);
    sums.l = select(better, s.l, sums.l);
    sums.ll = select(better, s.ll, sums.ll);
    sums.xl = select(better, s.xl, sums.xl);
  }
};

}  // namespace hadal::encoders
