// Encoders of q2_k, q4_k and q5_k: groups with scales and minima that are whole multiples of the
// block's two floats.
#include "lib/tensor/block_encoder_affine.hpp"

#include "lib/tensor/block_encoder_packing.hpp"
#include "lib/tensor/block_encoder_parts.hpp"

namespace hadal::encoders {
namespace {

template <class Format>
class AffineBlock {
 public:
  static constexpr int kSize = Format::kGroup, kPacks = 64 / kSize, kHigh = Format::kHigh;
  static constexpr float kHighCode = Format::kHighCode;

  // 256 elements.
  void encode(const float* values, const float* importance) {
    alignas(16) float x[256], w[256];
    const Unit unit = unit_of(largest_magnitude(values, 256));
    for (int i = 0; i < 256; ++i) x[i] = values[i] * unit.down;
    if (importance != nullptr) weights_of(importance, 256, w);
    for (int p = 0; p < kPacks; ++p) {
      packs_[p].load(x + 4 * kSize * p, importance == nullptr ? nullptr : w + 4 * kSize * p);
      elements_[p] = sums_of_elements(packs_[p]);
      find_ends(p);
    }

    rough(unit);
    for (int p = 0; p < kPacks; ++p) search(p, starts_of<Format, Ends>(importance));
    refit(unit);
    for (int p = 0; p < kPacks; ++p) refine(p, 0);
    refit(unit);
    for (int p = 0; p < kPacks; ++p) refine(p, 1);
    finish();
  }

  uint16_t d() const { return d_.bits; }
  uint16_t dmin() const { return dmin_.bits; }
  // Of group k.
  int scale(int k) const { return scales_[k]; }
  int minimum(int k) const { return minima_[k]; }
  // Of element i.
  const uint8_t* levels() const { return levels_; }

 private:
  static constexpr size_t kPackCount = kPacks, kGroupCount = 256 / kSize;

  void find_ends(int p) {
    Float4 low = all(0.0f), high = all(0.0f);
    for (const Float4& value : packs_[p].x) {
      low = lesser(low, value);
      high = greater(high, value);
    }
    const Float4 range = high - low;
    low_[p] = low;
    base_[p] = inverse_of(range);
  }

  AffineSums sums(int p, Ends ends) const {
    const Float4 inverse = base_[p] * (ends.last - ends.first);
    return sums_of<kHigh>(packs_[p], inverse, ends.first - low_[p] * inverse);
  }

  // The block's floats, such that the largest of the scales and minima that suit the groups can
  // just be stored.
  void rough(Unit unit) {
    float largest_scale = 0.0f, largest_minimum = 0.0f;
    for (int p = 0; p < kPacks; ++p) {
      const ElementSums& e = elements_[p];
      AffineFit fit(packs_[p].squares);
      for (const Ends& ends : Format::kRoughStarts) {
        const AffineSums s = sums(p, ends);
        const Float4 step = quotient(all(1.0f), s.inverse);
        const Float4 scale = best_scale_below_zero(e, s, step);
        fit.offer(e, s, step, {scale, greater(best_minimum(e, s, scale, step), all(0.0f))});
      }
      for (int lane = 0; lane < 4; ++lane) {
        largest_scale = std::max(largest_scale, fit.found.scale[lane]);
        largest_minimum = std::max(largest_minimum, fit.found.minimum[lane]);
      }
    }
    set(half_at_least(largest_scale / kHighCode, unit),
        half_at_least(largest_minimum / kHighCode, unit));
  }

  void set(Half d, Half dmin) {
    d_ = d;
    dmin_ = dmin;
    inverse_d_ = d.value == 0.0f ? 0.0f : 1.0f / d.value;
    inverse_dmin_ = dmin.value == 0.0f ? 0.0f : 1.0f / dmin.value;
  }

  // Judges levels by the best scale and minimum that can be stored: the scales on both sides of the
  // one wanted, each with the minimum that suits it.
  void offer(int p, const AffineSums& s) {
    const ElementSums& e = elements_[p];
    const Float4 step = quotient(all(1.0f), s.inverse);
    const Float4 wanted = best_scale_below_zero(e, s, step) * inverse_d_;
    const Float4 below = nearest(clamp(wanted - 0.5f, 0.0f, kHighCode));
    for (const Float4 code : {below, lesser(below + 1.0f, all(kHighCode))}) {
      const Float4 scale = code * d_.value;
      const Float4 minimum = best_minimum(e, s, scale, step) * inverse_dmin_;
      fits_[p].offer(e, s, step, {scale, nearest(clamp(minimum, 0.0f, kHighCode)) * dmin_.value});
    }
  }

  void search(int p, std::span<const Ends> starts) {
    fits_[p] = AffineFit(packs_[p].squares);
    for (const Ends& ends : starts) offer(p, sums(p, ends));
  }

  // Levels for scales and minima that can be stored, those found and up to `reach` beside them;
  // then scales and minima for those levels.
  void refine(int p, int reach) {
    const ScaleAndMinimum found = fits_[p].found;
    fits_[p] = AffineFit(packs_[p].squares);
    for (int a = -reach; a <= reach; ++a) {
      const Float4 inverse = inverse_of_found(found.scale + static_cast<float>(a) * d_.value);
      for (int b = -reach; b <= reach; ++b) {
        const Float4 minimum = found.minimum + static_cast<float>(b) * dmin_.value;
        offer(p, sums_of<kHigh>(packs_[p], inverse, minimum * inverse));
      }
    }
  }

  // The block's two floats for the levels and whole numbers as they are: least squares again, as
  // corrections.
  void refit(Unit unit) {
    Float4 aa = {}, ab = {}, bb = {}, ar = {}, br = {};
    for (int p = 0; p < kPacks; ++p) {
      const AffineFit& fit = fits_[p];
      const Float4 a = fit.found.scale * inverse_d_, b = fit.found.minimum * inverse_dmin_;
      aa += a * a * fit.ll;
      ab += a * b * fit.l;
      bb += b * b * elements_[p].w;
      ar += a * fit.rest_l;
      br += b * fit.rest;
    }
    // d aa - dmin ab = ar;  d ab - dmin bb = br
    const float determinant = sum(aa) * sum(bb) - sum(ab) * sum(ab);
    if (determinant > 1e-6f * sum(aa) * sum(bb)) {
      const float d = d_.value + (sum(ar) * sum(bb) - sum(br) * sum(ab)) / determinant;
      const float dmin = dmin_.value + (sum(ar) * sum(ab) - sum(br) * sum(aa)) / determinant;
      if (d > 0.0f && dmin > 0.0f) set(half(d, unit), half(dmin, unit));
    } else if (sum(bb) == 0.0f && sum(aa) > 0.0f) {
      set(half(d_.value + sum(ar) / sum(aa), unit), dmin_);
    }
  }

  void finish() {
    for (int p = 0; p < kPacks; ++p) {
      const Float4 a = nearest(fits_[p].found.scale * inverse_d_);
      const Float4 b = nearest(fits_[p].found.minimum * inverse_dmin_);
      const Int4 scale = whole(a), minimum = whole(b);
      for (int lane = 0; lane < 4; ++lane) {
        scales_[4 * p + lane] = static_cast<uint8_t>(scale[lane]);
        minima_[4 * p + lane] = static_cast<uint8_t>(minimum[lane]);
      }
      const Float4 inverse = inverse_for_levels(a * d_.value), offset = b * dmin_.value * inverse;
      for (int i = 0; i < kSize; i += 4) {
        Int4 level[4];
        for (int k = 0; k < 4; ++k)
          level[k] = whole(nearest(clamp(packs_[p].x[i + k] * inverse + offset, 0.0f, kHigh)));
        const Int4 row = in_a_row(level);
        for (int lane = 0; lane < 4; ++lane)
          store(static_cast<uint32_t>(row[lane]), levels_ + (4 * p + lane) * kSize + i);
      }
    }
  }

  Groups<kSize> packs_[kPackCount];
  ElementSums elements_[kPackCount];
  Float4 low_[kPackCount], base_[kPackCount];
  AffineFit fits_[kPackCount];
  Half d_, dmin_;
  float inverse_d_, inverse_dmin_;
  uint8_t scales_[kGroupCount], minima_[kGroupCount];
  uint8_t levels_[256];
};

struct Q2K {
  static constexpr int kGroup = 16, kHigh = 3, kHighCode = 15;
  static constexpr Ends kRoughStarts[] = {
      {0, 3}, {-0.4f, 3.4f}, {-.2f, 3.2f}, {0, 3.4f}, {-.4f, 3}};
  static constexpr Ends kPlainStarts[] = {
      {-0.3f, 3.3f}, {0.0f, 3.5f}, {-0.5f, 3.1f}, {0.6f, 3.2f},  {-0.6f, 2.9f},
      {-0.2f, 3.4f}, {0.1f, 3.7f}, {-0.4f, 3.2f}, {-0.4f, 3.8f}, {0.0f, 2.7f}};
  static constexpr Ends kWeightedStarts[] = {
      {-0.4f, 3.4f}, {0.0f, 3.8f},  {-0.8f, 3.1f}, {0.6f, 3.2f},  {0.0f, 3.1f},
      {-0.7f, 4.0f}, {-1.0f, 3.0f}, {-0.6f, 3.2f}, {0.2f, 4.0f},  {-0.1f, 3.6f},
      {-0.1f, 2.9f}, {-1.0f, 2.7f}, {-0.2f, 4.0f}, {-1.0f, 3.6f}, {0.5f, 4.0f},
      {-0.8f, 3.8f}, {-1.0f, 3.3f}, {-0.1f, 2.4f}, {0.2f, 3.2f},  {0.0f, 4.0f}};
};
struct Q4K {
  static constexpr int kGroup = 32, kHigh = 15, kHighCode = 63;
  static constexpr Ends kRoughStarts[] = {{0, 15}, {-0.4f, 15.4f}};
  static constexpr Ends kPlainStarts[] = {
      {-0.2f, 15.2f}, {0.2f, 15.4f},  {-0.4f, 14.8f}, {0.2f, 15.0f},  {0.8f, 15.2f},
      {-0.4f, 15.0f}, {-0.2f, 15.6f}, {0.2f, 14.6f},  {-0.6f, 14.8f}, {-0.2f, 13.8f},
      {-0.2f, 15.0f}, {-0.2f, 15.4f}, {1.0f, 14.0f},  {0.2f, 14.2f}};
  static constexpr Ends kWeightedStarts[] = {
      {-0.4f, 15.2f}, {0.0f, 15.6f},  {-0.6f, 14.8f}, {-0.2f, 15.4f}, {0.0f, 14.0f}, {0.0f, 16.2f},
      {0.0f, 14.8f},  {-1.4f, 15.2f}, {0.4f, 15.0f},  {-0.8f, 15.8f}, {1.2f, 15.2f}, {1.0f, 14.2f},
      {-1.0f, 15.4f}, {-0.6f, 16.2f}, {0.8f, 13.8f},  {-2.0f, 15.6f}, {0.0f, 16.8f}, {-0.2f, 13.8f},
      {-1.0f, 17.0f}, {-2.0f, 15.0f}, {-0.4f, 15.0f}, {0.2f, 15.0f},  {0.0f, 15.8f}, {-1.8f, 16.2f},
      {-1.0f, 14.8f}, {-0.2f, 16.6f}};
};
struct Q5K {
  static constexpr int kGroup = 32, kHigh = 31, kHighCode = 63;
  static constexpr Ends kRoughStarts[] = {{0, 31}};
  static constexpr Ends kPlainStarts[] = {
      {-0.2f, 31.2f}, {0.2f, 31.4f}, {-0.4f, 30.8f}, {1.0f, 31.0f}, {1.0f, 30.0f},
      {0.0f, 31.0f},  {0.2f, 30.2f}, {0.8f, 30.8f},  {0.0f, 30.6f}, {0.2f, 31.2f},
      {-0.4f, 31.0f}, {0.8f, 30.0f}, {1.2f, 30.2f},  {-0.2f, 30.2f}};
  static constexpr Ends kWeightedStarts[] = {
      {0.0f, 31.2f},  {-0.4f, 30.8f}, {0.2f, 31.6f}, {1.0f, 31.0f},  {1.0f, 30.0f},  {-0.2f, 31.0f},
      {-0.6f, 32.4f}, {1.2f, 31.2f},  {0.8f, 30.8f}, {-1.0f, 31.4f}, {0.8f, 29.8f},  {-0.2f, 31.6f},
      {0.4f, 30.6f},  {-1.8f, 31.2f}, {1.2f, 30.4f}, {-0.2f, 32.6f}, {-1.0f, 31.0f}, {-0.8f, 31.6f},
      {-0.2f, 32.0f}, {0.4f, 31.2f},  {1.2f, 30.0f}, {-0.8f, 32.2f}, {0.0f, 33.0f},  {-0.2f, 30.8f},
      {-1.4f, 31.6f}, {1.0f, 29.8f}};
};

// Six bits of eight scales and eight minima, in 12 bytes.
template <class Block>
void pack_scales(const Block& block, uint8_t* to) {
  for (int k = 0; k < 4; ++k) {
    to[k] = static_cast<uint8_t>(block.scale(k) | (block.scale(k + 4) >> 4) << 6);
    to[k + 4] = static_cast<uint8_t>(block.minimum(k) | (block.minimum(k + 4) >> 4) << 6);
    to[k + 8] = static_cast<uint8_t>((block.scale(k + 4) & 15) | (block.minimum(k + 4) & 15) << 4);
  }
}

}  // namespace

void encode_q2_k(const float* x, int64_t n, const float* importance, uint8_t* to) {
  AffineBlock<Q2K> block;
  for (int64_t begin = 0; begin < n; begin += 256, to += 84) {
    block.encode(x + begin, importance == nullptr ? nullptr : importance + begin);
    for (int k = 0; k < 16; ++k)
      to[k] = static_cast<uint8_t>(block.scale(k) | block.minimum(k) << 4);
    pack_two_bits(block.levels(), to + 16);
    store(block.d(), to + 80);
    store(block.dmin(), to + 82);
  }
}

void encode_q4_k(const float* x, int64_t n, const float* importance, uint8_t* to) {
  AffineBlock<Q4K> block;
  for (int64_t begin = 0; begin < n; begin += 256, to += 144) {
    block.encode(x + begin, importance == nullptr ? nullptr : importance + begin);
    store(block.d(), to);
    store(block.dmin(), to + 2);
    pack_scales(block, to + 4);
    for (int k = 0; k < 4; ++k) pack_nibbles<32>(block.levels() + 64 * k, to + 16 + 32 * k);
  }
}

void encode_q5_k(const float* x, int64_t n, const float* importance, uint8_t* to) {
  AffineBlock<Q5K> block;
  for (int64_t begin = 0; begin < n; begin += 256, to += 176) {
    block.encode(x + begin, importance == nullptr ? nullptr : importance + begin);
    store(block.d(), to);
    store(block.dmin(), to + 2);
    pack_scales(block, to + 4);
    for (int i = 0; i < 32; ++i) {
      int bits = 0;
      for (int k = 0; k < 8; ++k) bits |= (block.levels()[32 * k + i] >> 4) << k;
      to[16 + i] = static_cast<uint8_t>(bits);
    }
    for (int k = 0; k < 4; ++k) pack_nibbles<32>(block.levels() + 64 * k, to + 48 + 32 * k);
  }
}

}  // namespace hadal::encoders
