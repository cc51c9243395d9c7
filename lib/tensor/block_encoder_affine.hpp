// Fits of x by scale * level - minimum, levels from 0 to kHigh: q4_1, q5_1 with numbers of their
// own per group, q2_k, q4_k, q5_k with whole-number scales and minima. Private to the encoders.
//
// As in block_encoder_signed.hpp: for given levels the error is a quadratic form of scale and
// minimum, so a start is judged by a few sums, at the scale and minimum that can be stored.
#pragma once

#include "lib/tensor/block_encoder_lanes.hpp"

namespace hadal::encoders {

// Where to begin: the levels, with fractions, that the smallest (or zero) and the largest element
// get.
struct Ends {
  float first, last;
};

struct ScaleAndMinimum {
  Float4 scale = {}, minimum = {};
};

// What does not depend on the levels.
struct ElementSums {
  Float4 w = {}, one_over_w = {};
};
template <int kSize>
ElementSums sums_of_elements(const Groups<kSize>& g) {
  ElementSums s;
  for (int i = 0; i < kSize; ++i) s.w += g.w[i];
  s.one_over_w = 1.0f / s.w;
  return s;
}

// The levels nearest to v = x * inverse + offset, and what is left, r = v - level: weighted sums.
struct AffineSums {
  Float4 inverse, offset;
  Float4 l = {}, ll = {}, r = {}, rr = {}, rl = {};

  // Scale and minimum as corrections of those that the levels come from: v ~ level * (1 + a) + b.
  Float4 a_of(Float4 scale) const { return scale * inverse - 1.0f; }
  Float4 b_of(Float4 minimum) const { return offset - minimum * inverse; }
};

template <int kHigh, Weights kWeights = Weights::kAny, int kSize>
AffineSums sums_of(const Groups<kSize>& g, Float4 inverse, Float4 offset) {
  AffineSums s = {inverse, offset};
  for (int i = 0; i < kSize; ++i) {
    const Float4 v = g.x[i] * inverse + offset;
    const Float4 level = nearest(clamp(v, 0.0f, static_cast<float>(kHigh)));
    const Float4 rest = v - level, weighted_level = weighted<kWeights>(g.w[i], level),
                 weighted_rest = weighted<kWeights>(g.w[i], rest);
    s.l += weighted_level;
    s.ll += weighted_level * level;
    s.r += weighted_rest;
    s.rr += weighted_rest * rest;
    s.rl += weighted_rest * level;
  }
  return s;
}

// The minimum that suits a scale.
inline Float4 best_minimum(const ElementSums& e, const AffineSums& s, Float4 scale, Float4 step) {
  return (s.offset - (s.r - s.a_of(scale) * s.l) * e.one_over_w) * step;
}

// The bottom of the error. The equations of scale and minimum do not tell them apart where all
// levels are alike: the scale is zero then.
inline Float4 best_scale(const ElementSums& e, const AffineSums& s, Float4 step) {
  const Float4 determinant = e.w * s.ll - s.l * s.l;
  const Float4 a = quotient(e.w * s.rl - s.r * s.l, determinant);
  return select(determinant > 1e-6f * (e.w * s.ll), (1.0f + a) * step, all(0.0f));
}
// The same where the minimum may not be negative, which leaves none where it would be, or where all
// levels are alike.
inline Float4 best_scale_below_zero(const ElementSums& e, const AffineSums& s, Float4 step) {
  const Float4 determinant = e.w * s.ll - s.l * s.l, numerator = e.w * s.rl - s.r * s.l;
  const Int4 alike = determinant <= 1e-6f * (e.w * s.ll);
  // minimum / step = offset - (r - a l) / w, and a = numerator / determinant.
  const Int4 negative = (s.offset * e.w - s.r) * determinant + numerator * s.l < 0.0f;
  const Int4 none = alike | negative;
  const Float4 a =
      quotient(select(none, s.rl - s.offset * s.l, numerator), select(none, s.ll, determinant));
  return select(s.ll == 0.0f, all(0.0f), (1.0f + a) * step);
}

// The scale that suits a minimum.
inline Float4 best_scale_for(const AffineSums& s, Float4 minimum, Float4 step) {
  const Float4 a = quotient(s.rl - s.b_of(minimum) * s.l, s.ll);
  return select(s.ll == 0.0f, all(0.0f), (1.0f + a) * step);
}

struct AffineFit {
  ScaleAndMinimum found;
  Float4 error;
  // Weighted sums for the levels of the fit: level, its square; what is left of x, and it times
  // level.
  Float4 l = {}, ll = {}, rest = {}, rest_l = {};

  // Nothing found yet.
  explicit AffineFit(Float4 squares) : error(squares) {}
  AffineFit() = default;

  void offer(const ElementSums& e, const AffineSums& s, Float4 step, const ScaleAndMinimum& f) {
    const Float4 a = s.a_of(f.scale), b = s.b_of(f.minimum);
    const Float4 left_l = s.rl - a * s.ll - b * s.l, left = s.r - a * s.l - b * e.w;
    const Float4 now = step * step * (s.rr - a * (s.rl + left_l) - b * (s.r + left));
    const Int4 better = (now < error) & (s.inverse != 0.0f);
    found.scale = select(better, f.scale, found.scale);
    found.minimum = select(better, f.minimum, found.minimum);
    error = select(better, now, error);
    l = select(better, s.l, l);
    ll = select(better, s.ll, ll);
    rest = select(better, left * step, rest);
    rest_l = select(better, left_l * step, rest_l);
  }
};

}  // namespace hadal::encoders
