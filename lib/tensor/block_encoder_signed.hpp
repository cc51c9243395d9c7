// Fits of x by scale * level, levels on both sides of zero: q4_0, q5_0, iq4_nl with a scale of
// their own per group, q3_k, q6_k, iq4_xs with whole-number scales of groups. Private to the
// encoders.
//
// For given levels the error is a parabola in the scale. So each start (a scale that sends the
// largest element to a certain level) is judged by the bottom of its parabola, or by its value at
// the nearest scale that can be stored, and not by another pass over the elements. The sums are of
// what is left after rounding, not of the elements: where one of them is worth a million others,
// the difference of the elements' large sums would have no digits for the rest.
#pragma once

#include <array>

#include "lib/tensor/block_decoders.hpp"
#include "lib/tensor/block_encoder_lanes.hpp"

namespace hadal::encoders {

// Levels kLow to kHigh.
template <int kLow, int kHigh>
struct WholeLevels {
  static Float4 nearest_level(Float4 v) {
    return nearest(clamp(v, static_cast<float>(kLow), static_cast<float>(kHigh)));
  }
  // What is stored for it.
  static Int4 code(Float4 v) { return whole(nearest_level(v)) - kLow; }
};

// The sixteen levels of iq4_nl. Half-way points between neighbours are multiples of one half, so a
// table over halves gives the nearest.
struct Iq4Levels {
  static constexpr int kCells = 512;
  static constexpr int kZeroCell = 256;  // [0, 1/2)
  struct Tables {
    std::array<float, kCells> level;
    std::array<uint8_t, kCells> code;
  };
  static constexpr Tables tables() {
    Tables t = {};
    for (int cell = 0; cell < kCells; ++cell) {
      int best = 0;
      for (int k = 1; k < 16; ++k) {  // the cell's middle, times four
        const int middle = 2 * (cell - kZeroCell) + 1;
        const int now = middle - 4 * kIq4Levels[best], other = middle - 4 * kIq4Levels[k];
        if (other * other < now * now) best = k;
      }
      t.level[static_cast<size_t>(cell)] = static_cast<float>(kIq4Levels[best]);
      t.code[static_cast<size_t>(cell)] = static_cast<uint8_t>(best);
    }
    return t;
  }
  static const Tables kTables;

  static Int4 cell(Float4 v) {
    return (whole(nearest(clamp(v, -127.0f, 127.0f) * 2.0f - 0.5f)) + kZeroCell) & (kCells - 1);
  }
  static Float4 nearest_level(Float4 v) {
    const Int4 c = cell(v);
    const auto& level = kTables.level;
    return Float4{level[static_cast<size_t>(c[0])], level[static_cast<size_t>(c[1])],
                  level[static_cast<size_t>(c[2])], level[static_cast<size_t>(c[3])]};
  }
  static Int4 code(Float4 v) {
    const Int4 c = cell(v);
    const auto& code = kTables.code;
    return Int4{code[static_cast<size_t>(c[0])], code[static_cast<size_t>(c[1])],
                code[static_cast<size_t>(c[2])], code[static_cast<size_t>(c[3])]};
  }
};
inline constexpr Iq4Levels::Tables Iq4Levels::kTables = Iq4Levels::tables();

// The levels nearest to v = x * inverse, and what is left, r = v - level: weighted sums.
struct SignedSums {
  Float4 inverse;
  Float4 ll = {}, rr = {}, rl = {};
};

template <class Levels, Weights kWeights = Weights::kAny, int kSize>
SignedSums sums_of(const Groups<kSize>& g, Float4 inverse) {
  SignedSums s = {inverse};
  for (int i = 0; i < kSize; ++i) {
    const Float4 v = g.x[i] * inverse;
    const Float4 level = Levels::nearest_level(v);
    const Float4 rest = v - level, weighted_rest = weighted<kWeights>(g.w[i], rest);
    s.ll += weighted<kWeights>(g.w[i], level) * level;
    s.rr += weighted_rest * rest;
    s.rl += weighted_rest * level;
  }
  return s;
}

// The best scale found so far, and its error.
struct SignedFit {
  Float4 scale = {};
  Float4 error;
  // Weighted sums for the levels of the fit: level squared; what is left of x, times level.
  Float4 ll = {}, rest_l = {};

  // Nothing found yet.
  template <int kSize>
  explicit SignedFit(const Groups<kSize>& g) : error(g.squares) {}
  SignedFit() = default;

  void offer(const SignedSums& s) {
    const Float4 step = quotient(all(1.0f), s.inverse);
    offer(s, step, best_scale(s, step));
  }
  // For scales that are whole multiples, low to high, of unit.
  void offer(const SignedSums& s, float unit, float inverse_unit, float low, float high) {
    const Float4 step = quotient(all(1.0f), s.inverse);
    offer(s, step, nearest(clamp(best_scale(s, step) * inverse_unit, low, high)) * unit);
  }

 private:
  // v ~ level * (1 + a).
  static Float4 best_scale(const SignedSums& s, Float4 step) {
    return select(s.ll == 0.0f, all(0.0f), (1.0f + quotient(s.rl, s.ll)) * step);
  }
  void offer(const SignedSums& s, Float4 step, Float4 t) {
    const Float4 a = t * s.inverse - 1.0f;
    const Float4 left_l = s.rl - a * s.ll;
    const Float4 now = step * step * (s.rr - a * (s.rl + left_l));
    const Int4 better = (now < error) & (s.inverse != 0.0f);
    scale = select(better, t, scale);
    error = select(better, now, error);
    ll = select(better, s.ll, ll);
    rest_l = select(better, left_l * step, rest_l);
  }
};

// Calls offer with one over each scale to begin at. Where few elements are worth more than all
// others, the largest of these few counts.
template <class Format, int kSize, class Offer>
void for_each_start(const Groups<kSize>& g, const float* importance, Offer offer) {
  const Float4 base = inverse_of(g.extreme());
  for (const float start : starts_of<Format, float>(importance)) offer(base * start);
  if (importance == nullptr) return;
  const Float4 important = inverse_of(g.extreme(g.much()));
  for (const float start : std::span(Format::kPlainStarts).template first<3>())
    offer(important * start);
}

}  // namespace hadal::encoders
