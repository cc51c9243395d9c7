// Encoders of the blocks of 32 elements. Four blocks at a time, one in each lane.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "lib/tensor/block_encoder_affine.hpp"
#include "lib/tensor/block_encoder_packing.hpp"
#include "lib/tensor/block_encoder_parts.hpp"
#include "lib/tensor/block_encoder_signed.hpp"

namespace hadal::encoders {
namespace {

using Packed = Groups<32>;

// Up to four blocks, each in a unit of its own; what lacks to four is zero.
struct FourBlocks {
  Packed groups;
  Unit units[4];

  void load(const float* x, int64_t n_elements, const float* importance) {
    alignas(16) float scaled[128], w[128];
    for (int b = 0; b < 4; ++b) {
      float* to = scaled + 32 * b;
      if (32 * b >= n_elements) {
        units[b] = unit_of(0.0f);
        std::fill(to, to + 32, 0.0f);
        std::fill(w + 32 * b, w + 32 * b + 32, 1.0f);
        continue;
      }
      const float* from = x + 32 * b;
      units[b] = unit_of(largest_magnitude(from, 32));
      for (int i = 0; i < 32; ++i) to[i] = from[i] * units[b].down;
      if (importance != nullptr) weights_of(importance + 32 * b, 32, w + 32 * b);
    }
    groups.load(scaled, importance == nullptr ? nullptr : w);
  }
};

// The levels of four blocks: of element i, lane by lane.
struct Codes {
  Int4 of[32];
};

// The bytes of four blocks: two (d) or four (d and m) first, then the fifth bits, if any, and
// nibbles.
template <int kFirstBytes, bool kFiveBits>
class BlockBytes {
 public:
  static constexpr int kSize = kFirstBytes + (kFiveBits ? 20 : 16);

  uint8_t* block(int lane) { return bytes_ + kSize * lane; }

  void set_levels(const Codes& codes) {
    for (int i = 0; i < 16; i += 4) {
      Int4 nibbles[4];
      for (int k = 0; k < 4; ++k)
        nibbles[k] = (codes.of[i + k] & 15) | ((codes.of[i + k + 16] & 15) << 4);
      put(in_a_row(nibbles), kSize - 16 + i);
    }
    if (!kFiveBits) return;
    Int4 bits = {};
    for (int i = 0; i < 32; ++i) bits |= (codes.of[i] >> 4) << i;
    put(bits, kFirstBytes);
  }

  // Those of the row that has n_elements left. Returns where they end.
  uint8_t* write(int64_t n_elements, uint8_t* to) const {
    const auto n = static_cast<size_t>(kSize * std::min<int64_t>(4, n_elements / 32));
    std::memcpy(to, bytes_, n);
    return to + n;
  }

 private:
  void put(Int4 words, int at) {
    for (int lane = 0; lane < 4; ++lane)
      store(static_cast<uint32_t>(words[lane]), block(lane) + at);
  }

  static constexpr size_t kBytes = 4 * kSize;
  uint8_t bytes_[kBytes];
};

template <class Format, Weights kWeights>
void encode_signed(const float* x, int64_t n_elements, const float* importance, uint8_t* to) {
  using Levels = typename Format::Levels;
  FourBlocks blocks;
  Codes codes;
  BlockBytes<2, Format::kFiveBits> bytes;
  for (int64_t begin = 0; begin < n_elements; begin += 128) {
    blocks.load(x + begin, n_elements - begin,
                importance == nullptr ? nullptr : importance + begin);
    const Packed& g = blocks.groups;
    SignedFit fit(g);
    for_each_start<Format>(
        g, importance, [&](Float4 inverse) { fit.offer(sums_of<Levels, kWeights>(g, inverse)); });
    for (int round = 0; round < Format::kRounds; ++round)
      fit.offer(sums_of<Levels, kWeights>(g, inverse_of(fit.scale)));

    Half d[4];
    Float4 stored;
    for (int lane = 0; lane < 4; ++lane) {
      d[lane] = half(fit.scale[lane], blocks.units[lane]);
      stored[lane] = d[lane].value;
    }
    const Float4 inverse = inverse_for_levels(stored);
    for (int i = 0; i < 32; ++i) codes.of[i] = Levels::code(g.x[i] * inverse);
    for (int lane = 0; lane < 4; ++lane) store(d[lane].bits, bytes.block(lane));
    bytes.set_levels(codes);
    to = bytes.write(n_elements - begin, to);
  }
}

template <class Format, Weights kWeights>
void encode_affine(const float* x, int64_t n_elements, const float* importance, uint8_t* to) {
  constexpr int kHigh = Format::kHigh;
  FourBlocks blocks;
  Codes codes;
  BlockBytes<4, Format::kFiveBits> bytes;
  for (int64_t begin = 0; begin < n_elements; begin += 128) {
    blocks.load(x + begin, n_elements - begin,
                importance == nullptr ? nullptr : importance + begin);
    Packed& g = blocks.groups;
    const auto [low, high] = g.ends(g.x[0]);
    // From the smallest on, so that a block far from zero keeps its digits.
    g.squares = all(0.0f);
    for (int i = 0; i < 32; ++i) {
      g.x[i] -= low;
      g.squares += weighted<kWeights>(g.w[i], g.x[i]) * g.x[i];
    }
    const ElementSums elements = sums_of_elements(g);
    const Float4 base = inverse_of(high - low);
    AffineFit fit(g.squares);
    const auto offer = [&](Float4 inverse, Float4 offset) {
      const AffineSums s = sums_of<kHigh, kWeights>(g, inverse, offset);
      const Float4 step = quotient(all(1.0f), inverse), scale = best_scale(elements, s, step);
      fit.offer(elements, s, step, {scale, best_minimum(elements, s, scale, step)});
    };
    for (const auto& [first, last] : starts_of<Format, Ends>(importance))
      offer(base * (last - first), all(first));
    for (int round = 0; round < Format::kRounds; ++round) {
      const Float4 inverse = inverse_of_found(fit.found.scale);
      offer(inverse, fit.found.minimum * inverse);
    }

    Half d[4], m[4];
    Float4 offset, stored;
    for (int lane = 0; lane < 4; ++lane) {
      m[lane] = half(low[lane] - fit.found.minimum[lane], blocks.units[lane]);
      offset[lane] = low[lane] - m[lane].value;
    }
    // The minimum is rounded, which may be by much beside a small range: the scale follows it.
    const Float4 inverse_found = inverse_of_found(fit.found.scale);
    const AffineSums s = sums_of<kHigh, kWeights>(g, inverse_found, offset * inverse_found);
    const Float4 scale = fit.found.scale * (1.0f + quotient(s.rl, s.ll));
    for (int lane = 0; lane < 4; ++lane) {
      d[lane] = half(scale[lane], blocks.units[lane]);
      stored[lane] = d[lane].value;
    }
    const Float4 inverse = inverse_for_levels(stored);
    for (int i = 0; i < 32; ++i)
      codes.of[i] = whole(nearest(clamp((g.x[i] + offset) * inverse, 0.0f, kHigh)));
    for (int lane = 0; lane < 4; ++lane) {
      store(d[lane].bits, bytes.block(lane));
      store(m[lane].bits, bytes.block(lane) + 2);
    }
    bytes.set_levels(codes);
    to = bytes.write(n_elements - begin, to);
  }
}

template <class Format>
void encode_signed(const float* x, int64_t n, const float* importance, uint8_t* to) {
  if (importance == nullptr) return encode_signed<Format, Weights::kOnes>(x, n, nullptr, to);
  encode_signed<Format, Weights::kAny>(x, n, importance, to);
}
template <class Format>
void encode_affine(const float* x, int64_t n, const float* importance, uint8_t* to) {
  if (importance == nullptr) return encode_affine<Format, Weights::kOnes>(x, n, nullptr, to);
  encode_affine<Format, Weights::kAny>(x, n, importance, to);
}

struct Q4_0 {
  using Levels = WholeLevels<-8, 7>;
  static constexpr bool kFiveBits = false;
  static constexpr int kRounds = 1;
  static constexpr float kPlainStarts[] = {-8.2f, -8.6f, -7.8f, -7.2f};
  static constexpr float kWeightedStarts[] = {-8.5f, -7.2f, -9.9f,  -7.9f, -11.7f, -6.1f, -9.1f,
                                              9.2f,  -6.8f, -10.7f, -8.2f, 10.8f,  8.4f,  -12.0f};
};
struct Q5_0 {
  using Levels = WholeLevels<-16, 15>;
  static constexpr bool kFiveBits = true;
  static constexpr int kRounds = 1;
  static constexpr float kPlainStarts[] = {-16.1f, -15.1f, -16.5f, -14.1f, -15.8f, -13.2f};
  static constexpr float kWeightedStarts[] = {-16.2f, -14.2f, -18.0f, -15.1f, -13.1f,
                                              -16.9f, -19.0f, -15.7f, -13.8f, -14.7f,
                                              -17.4f, -16.5f, 16.5f,  -16.0f};
};
struct Iq4Nl {
  using Levels = Iq4Levels;
  static constexpr bool kFiveBits = false;
  static constexpr int kRounds = 1;
  static constexpr float kPlainStarts[] = {-130.0f, 114.0f, -123.0f, -137.0f,
                                           -108.0f, 121.0f, 109.0f,  -127.0f};
  static constexpr float kWeightedStarts[] = {
      -134.0f, 116.0f, -156.0f, -123.0f, -105.0f, 135.0f, 110.0f, 155.0f,  -143.0f, -170.0f,
      -88.0f,  95.0f,  126.0f,  -112.0f, -128.0f, 143.0f, -99.0f, -119.0f, 88.0f,   -83.0f};
};

struct Q4_1 {
  static constexpr bool kFiveBits = false;
  static constexpr int kRounds = 1, kHigh = 15;
  static constexpr Ends kPlainStarts[] = {
      {-0.2f, 15.2f}, {0.2f, 15.4f}, {-0.4f, 14.8f}, {-0.2f, 14.2f}, {-0.2f, 15.0f}};
  static constexpr Ends kWeightedStarts[] = {
      {-0.4f, 15.4f}, {0.2f, 15.6f},  {-0.6f, 15.0f}, {0.2f, 14.0f},  {0.0f, 15.2f},
      {0.6f, 14.4f},  {-0.2f, 14.8f}, {-0.2f, 14.0f}, {-1.6f, 15.2f}, {-0.2f, 16.6f},
      {-0.2f, 15.6f}, {-0.8f, 14.8f}, {1.2f, 14.0f},  {0.4f, 14.8f},  {-1.2f, 15.8f},
      {0.0f, 16.8f},  {-0.2f, 15.0f}, {-2.0f, 15.2f}, {-0.6f, 16.4f}, {0.8f, 13.8f},
      {-0.2f, 14.4f}, {-0.6f, 15.2f}, {-2.0f, 16.0f}, {1.2f, 14.6f}};
};
struct Q5_1 {
  static constexpr bool kFiveBits = true;
  static constexpr int kRounds = 1, kHigh = 31;
  static constexpr Ends kPlainStarts[] = {{-0.2f, 31.0f}, {0.2f, 31.4f}, {-0.4f, 30.8f},
                                          {0.0f, 31.2f},  {0.0f, 30.2f}, {-0.2f, 29.8f}};
  static constexpr Ends kWeightedStarts[] = {
      {-0.2f, 31.0f}, {0.2f, 31.6f}, {1.0f, 31.0f},  {0.8f, 30.2f},  {0.0f, 31.2f},
      {-0.6f, 30.8f}, {1.2f, 30.2f}, {1.2f, 31.2f},  {-1.4f, 31.2f}, {-0.2f, 29.8f},
      {-1.0f, 31.4f}, {0.8f, 29.8f}, {-0.4f, 31.6f}, {0.0f, 32.8f},  {-0.2f, 30.8f},
      {-0.2f, 32.0f}, {0.4f, 31.0f}, {1.2f, 29.8f},  {-2.0f, 32.2f}, {-0.6f, 31.4f},
      {0.0f, 32.2f},  {0.2f, 30.8f}, {1.0f, 31.2f},  {-2.0f, 31.4f}};
};

// To the nearest whole number, halves away from zero.
Float4 nearest_away(Float4 x) {
  const Float4 even = nearest(x), rest = x - even;
  const Float4 up = select((rest == 0.5f) & (x > 0.0f), all(1.0f), all(0.0f));
  return even + up - select((rest == -0.5f) & (x < 0.0f), all(1.0f), all(0.0f));
}

}  // namespace

// The largest magnitude becomes 127. As everybody writes it, byte for byte, the levels are those of
// the scale before it is rounded; but not where rounding an f16 costs more than a level.
void encode_q8_0(const float* x, int64_t n_elements, const float* /*importance*/, uint8_t* to) {
  for (int64_t begin = 0; begin < n_elements; begin += 32, to += 34) {
    const float* from = x + begin;
    const float largest = largest_magnitude(from, 32);
    const Unit unit = unit_of(largest);
    const float step = largest * unit.down / 127.0f;
    const Half d = half_at_least(step, unit);
    const bool is_subnormal = (d.bits & 0x7c00) == 0, is_largest = (d.bits & 0x7fff) == 0x7bff;
    const float divisor = is_subnormal || is_largest ? d.value : step;
    const float inverse = divisor == 0.0f ? 0.0f : 1.0f / divisor;
    store(d.bits, to);
    for (int i = 0; i < 32; i += 4) {
      const Float4 v = clamp(load4(from + i) * unit.down * inverse, -127.0f, 127.0f);
      const Int4 level = whole(nearest_away(v));
      for (int k = 0; k < 4; ++k) to[2 + i + k] = static_cast<uint8_t>(level[k] & 255);
    }
  }
}

void encode_q4_0(const float* x, int64_t n, const float* importance, uint8_t* to) {
  encode_signed<Q4_0>(x, n, importance, to);
}
void encode_q5_0(const float* x, int64_t n, const float* importance, uint8_t* to) {
  encode_signed<Q5_0>(x, n, importance, to);
}
void encode_iq4_nl(const float* x, int64_t n, const float* importance, uint8_t* to) {
  encode_signed<Iq4Nl>(x, n, importance, to);
}
void encode_q4_1(const float* x, int64_t n, const float* importance, uint8_t* to) {
  encode_affine<Q4_1>(x, n, importance, to);
}
void encode_q5_1(const float* x, int64_t n, const float* importance, uint8_t* to) {
  encode_affine<Q5_1>(x, n, importance, to);
}

}  // namespace hadal::encoders
