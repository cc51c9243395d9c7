// What the encoders search with: four groups of elements side by side, one in each lane of a
// vector, so that sums need no order among lanes and a choice is a mask. Vectors of the compiler,
// which are single instructions on the baselines of x86-64 and of 64-bit ARM. Private to the
// encoders.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>

#include "lib/base/float_formats.hpp"

namespace hadal::encoders {

typedef float Float4 __attribute__((vector_size(16)));  // NOLINT(modernize-use-using)
typedef int32_t Int4 __attribute__((vector_size(16)));  // NOLINT(modernize-use-using)

inline Float4 all(float x) { return Float4{x, x, x, x}; }
inline Float4 select(Int4 mask, Float4 yes, Float4 no) { return mask ? yes : no; }
inline Float4 lesser(Float4 a, Float4 b) { return a < b ? a : b; }
inline Float4 greater(Float4 a, Float4 b) { return a > b ? a : b; }
inline Float4 clamp(Float4 x, float low, float high) {
  return lesser(greater(x, all(low)), all(high));
}
inline Float4 magnitude(Float4 x) { return greater(x, -x); }

// To the nearest whole number, ties to even: above 2^23 floats have no fractions. |x| < 2^22.
inline constexpr float kNoFractions = 0x1.8p23f;
inline Float4 nearest(Float4 x) { return (x + kNoFractions) - kNoFractions; }

// The whole numbers that x holds.
inline Int4 whole(Float4 x) { return __builtin_convertvector(x, Int4); }

// 0 where the divisor is 0.
inline Float4 quotient(Float4 a, Float4 b) {
  const Int4 zero = b == 0.0f;
  return select(zero, all(0.0f), a / select(zero, all(1.0f), b));
}

// One over a scale or a range, to begin at: 0, at which nothing is found, where it is too small to
// mean anything beside elements of 1, which it would send to where squares overflow.
inline Float4 inverse_of(Float4 scale) {
  return select(magnitude(scale) < 0x1p-30f, all(0.0f), quotient(all(1.0f), scale));
}
// The same for a scale that was found: of zero, an inverse that makes all levels zero.
inline Float4 inverse_of_found(Float4 scale) {
  return select(magnitude(scale) < 0x1p-30f, all(0x1p-20f), quotient(all(1.0f), scale));
}

// For the levels at last, which are clamped: of scales that are small because f16 has no larger
// ones, too.
inline Float4 inverse_for_levels(Float4 scale) {
  return select(magnitude(scale) < 0x1p-120f, all(0.0f), quotient(all(1.0f), scale));
}

inline float sum(Float4 x) { return (x[0] + x[1]) + (x[2] + x[3]); }

// A power of two and its inverse. Blocks are scaled by one before they are looked at, so that no
// square overflows; whatever is so small that 2^100 does not make it visible is zero in f16 anyway.
struct Unit {
  float up, down;
};
inline Unit unit_of(float largest) {
  const int exponent = static_cast<int>(std::bit_cast<uint32_t>(largest) >> 23) - 127;
  const int e = std::clamp(exponent, -100, 126);
  return {std::bit_cast<float>(static_cast<uint32_t>(e + 127) << 23),
          std::bit_cast<float>(static_cast<uint32_t>(127 - e) << 23)};
}

inline Float4 load4(const float* from) {
  Float4 x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

// Of n numbers, a multiple of four.
inline float largest_magnitude(const float* x, int n) {
  Float4 largest = {};
  for (int i = 0; i < n; i += 4) largest = greater(largest, magnitude(load4(x + i)));
  return std::max(std::max(largest[0], largest[1]), std::max(largest[2], largest[3]));
}

// An f16 as it will be stored, and its value in the block's unit. Too large ones become the largest
// finite one.
struct Half {
  uint16_t bits = 0;
  float value = 0.0f;
};
inline Half half(float value, Unit unit) {
  const uint16_t bits = f16_from_float(std::clamp(value * unit.up, -65504.0f, 65504.0f));
  return {bits, float_from_f16(bits) * unit.down};
}
// The same, but not smaller where that would matter: below 2^-14 an f16 has few digits, and a scale
// that lost a tenth would cut off the largest elements.
inline Half half_at_least(float value, Unit unit) {
  const Half nearest_one = half(value, unit);
  const bool enough = std::fabs(nearest_one.value) >= std::fabs(value) * 0.998f;
  if (enough || (nearest_one.bits & 0x7fff) >= 0x7bff) return nearest_one;
  const auto bits = static_cast<uint16_t>(nearest_one.bits + 1);
  return {bits, float_from_f16(bits) * unit.down};
}

// The positive f16 that stands that many places above it, or itself where there is none.
inline Half beside(Half h, int places, Unit unit) {
  const int bits = static_cast<int>(h.bits) + places;
  if (bits <= 0 || bits > 0x7bff) return h;
  const auto moved = static_cast<uint16_t>(bits);
  return {moved, float_from_f16(moved) * unit.down};
}

// Weights of n elements: the importance in a unit of its own, or ones where it is zero. A floor
// keeps elements without importance from being encoded as just anything, and sums from being zero.
inline void weights_of(const float* importance, int n, float* w) {
  const float largest = largest_magnitude(importance, n);
  if (!(largest > 0.0f)) return std::fill(w, w + n, 1.0f);
  const float scale = unit_of(largest).down;
  for (int i = 0; i < n; ++i) w[i] = importance[i] * scale + 0x1p-24f;
}

// Where a search begins. With weights the best may be far from the plain one, so there are more,
// and wider apart. The lists stand in the order of use: each start is the one that helped most
// after those before it, on rows of four distributions.
template <class Format, class Start>
std::span<const Start> starts_of(const float* importance) {
  if (importance == nullptr) return Format::kPlainStarts;
  return Format::kWeightedStarts;
}

// Whether the weights of a group are looked at: where all are ones, to leave them out changes no
// bit.
enum class Weights { kOnes, kAny };
template <Weights kWeights>
Float4 weighted(Float4 w, Float4 x) {
  return kWeights == Weights::kOnes ? x : w * x;
}

struct Ends4 {
  Float4 low, high;
};

// Four groups of kSize elements, with weights.
template <int kSize>
struct Groups {
  static constexpr size_t kCount = kSize;
  Float4 x[kCount], w[kCount];
  Float4 squares;  // sum w x^2: the error of encoding zeros

  // Group g begins at values + g * kSize. Null weights are ones.
  void load(const float* values, const float* weights) {
    transpose(values, x);
    if (weights != nullptr) {
      transpose(weights, w);
    } else {
      for (Float4& one : w) one = all(1.0f);
    }
    squares = all(0.0f);
    for (int i = 0; i < kSize; ++i) squares += w[i] * x[i] * x[i];
  }

  // The element of largest magnitude, with its sign; among those of at least this weight.
  Float4 extreme(Float4 least_weight = all(0.0f)) const {
    const Ends4 e = ends(all(0.0f), least_weight);
    return select(-e.low > e.high, e.low, e.high);
  }

  // The smallest and the largest element, and no less than that they go to `from` at either side.
  Ends4 ends(Float4 from, Float4 least_weight = all(0.0f)) const {
    Ends4 e = {from, from};
    for (int i = 0; i < kSize; ++i) {
      const Float4 value = select(w[i] < least_weight, from, x[i]);
      e.low = lesser(e.low, value);
      e.high = greater(e.high, value);
    }
    return e;
  }

  // What an element must weigh to be looked at first where weights differ by orders of magnitude.
  Float4 much() const {
    Float4 most = w[0];
    for (const Float4& weight : w) most = greater(most, weight);
    return most * 0x1p-6f;
  }

 private:
  static void transpose(const float* from, Float4* to) {
    for (int i = 0; i < kSize; i += 4) {
      const Float4 a = load4(from + i), b = load4(from + kSize + i);
      const Float4 c = load4(from + 2 * kSize + i), d = load4(from + 3 * kSize + i);
      const Float4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      const Float4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Float4 ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Float4 cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      to[i] = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
      to[i + 1] = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
      to[i + 2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
      to[i + 3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    }
  }
};

}  // namespace hadal::encoders
