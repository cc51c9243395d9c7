// Encoders of q3_k, q6_k and iq4_xs: groups whose scales are signed whole multiples of the block's.
//
// The block's scale follows from the largest of the groups' own; then every group is searched anew
// among the scales that can be stored, and the block's scale is fitted to what came out.
#include "lib/tensor/block_encoder_packing.hpp"
#include "lib/tensor/block_encoder_parts.hpp"
#include "lib/tensor/block_encoder_signed.hpp"

namespace hadal::encoders {
namespace {

template <class Format>
class SignedBlock {
 public:
  static constexpr int kSize = Format::kGroup, kPacks = 64 / kSize;

  // 256 elements.
  void encode(const float* values, const float* importance) {
    alignas(16) float x[256], w[256];
    const Unit unit = unit_of(largest_magnitude(values, 256));
    for (int i = 0; i < 256; ++i) x[i] = values[i] * unit.down;
    if (importance != nullptr) weights_of(importance, 256, w);
    for (int p = 0; p < kPacks; ++p) {
      packs_[p].load(x + 4 * kSize * p, importance == nullptr ? nullptr : w + 4 * kSize * p);
      extreme_[p] = packs_[p].extreme();
    }

    d_ = half_at_least(rough_scale() / Format::kLowCode, unit);
    for (int p = 0; p < kPacks; ++p) search(p, starts_of<Format, float>(importance));
    refit(unit);
    for (int p = 0; p < kPacks; ++p) refine(p);
    finish();
  }

  uint16_t d() const { return d_.bits; }
  // Of group k: between kLowCode and -kLowCode - 1.
  int scale(int k) const { return scales_[k]; }
  // As they are stored, of all elements and of element i.
  const uint8_t* levels() const { return levels_; }
  uint8_t level(int i) const { return levels_[i]; }

 private:
  static constexpr size_t kPackCount = kPacks, kGroupCount = 256 / kSize;
  using Levels = typename Format::Levels;

  // The largest of the scales that suit the groups, with its sign.
  float rough_scale() const {
    float largest = 0.0f;
    for (int p = 0; p < kPacks; ++p) {
      const Float4 base = inverse_of(extreme_[p]);
      SignedFit fit(packs_[p]);
      for (const float start : Format::kRoughStarts)
        fit.offer(sums_of<Levels>(packs_[p], base * start));
      for (int lane = 0; lane < 4; ++lane)
        if (std::fabs(fit.scale[lane]) > std::fabs(largest)) largest = fit.scale[lane];
    }
    return largest;
  }

  float inverse_d() const { return d_.value == 0.0f ? 0.0f : 1.0f / d_.value; }

  void offer(int p, Float4 inverse) {
    fits_[p].offer(sums_of<Levels>(packs_[p], inverse), d_.value, inverse_d(), Format::kLowCode,
                   -Format::kLowCode - 1);
  }

  void search(int p, std::span<const float> starts) {
    const Float4 base = inverse_of(extreme_[p]);
    fits_[p] = SignedFit(packs_[p]);
    for (const float start : starts) offer(p, base * start);
  }

  // Levels for scales that can be stored, the one found and those beside it; then scales for those
  // levels.
  void refine(int p) {
    const Float4 found = fits_[p].scale;
    fits_[p] = SignedFit(packs_[p]);
    for (const float step : {0.0f, -1.0f, 1.0f}) offer(p, inverse_of(found + step * d_.value));
  }

  // The block's scale for the levels and the groups' scales as they are.
  void refit(Unit unit) {
    Float4 rest = {}, squares = {};
    for (const SignedFit& fit : fits_) {
      const Float4 code = fit.scale * inverse_d();
      rest += code * fit.rest_l;
      squares += code * code * fit.ll;
    }
    if (sum(squares) > 0.0f) d_ = half(d_.value + sum(rest) / sum(squares), unit);
  }

  void finish() {
    for (int p = 0; p < kPacks; ++p) {
      const Float4 code = nearest(fits_[p].scale * inverse_d());
      const Int4 whole_code = whole(code);
      const Float4 inverse = inverse_for_levels(code * d_.value);
      for (int lane = 0; lane < 4; ++lane)
        scales_[4 * p + lane] = static_cast<int8_t>(whole_code[lane]);
      for (int i = 0; i < kSize; i += 4) {
        Int4 level[4];
        for (int k = 0; k < 4; ++k) level[k] = Levels::code(packs_[p].x[i + k] * inverse);
        const Int4 row = in_a_row(level);
        for (int lane = 0; lane < 4; ++lane)
          store(static_cast<uint32_t>(row[lane]), levels_ + (4 * p + lane) * kSize + i);
      }
    }
  }

  Groups<kSize> packs_[kPackCount];
  Float4 extreme_[kPackCount];
  SignedFit fits_[kPackCount];
  Half d_;
  int8_t scales_[kGroupCount];
  uint8_t levels_[256];
};

struct Q3K {
  using Levels = WholeLevels<-4, 3>;
  static constexpr int kGroup = 16, kLowCode = -32;
  static constexpr float kRoughStarts[] = {-4.5f, -4.0f, -3.5f, 3.5f, 3.0f};
  static constexpr float kPlainStarts[] = {-4.2f, -3.2f, -4.6f, -3.8f, -4.9f, -4.0f, -4.4f};
  static constexpr float kWeightedStarts[] = {-4.5f, -6.3f, -3.7f, -3.1f, -7.8f, 4.7f,  -5.2f,
                                              -4.1f, -2.7f, 5.4f,  4.2f,  -5.8f, -4.8f, -3.4f};
};

struct Q6K {
  using Levels = WholeLevels<-32, 31>;
  static constexpr int kGroup = 16, kLowCode = -128;
  static constexpr float kRoughStarts[] = {-32.0f};
  static constexpr float kPlainStarts[] = {-32.0f, -31.0f, -30.0f, -29.0f, 28.0f,
                                           -32.4f, -31.7f, -30.7f, -31.3f, -30.3f};
  static constexpr float kWeightedStarts[] = {-31.9f, -28.1f, -30.1f, -31.0f, -33.2f, -29.0f,
                                              -32.4f, -34.0f, -29.7f, -30.6f, -31.3f, 28.0f,
                                              -28.6f, -32.7f, -29.3f, -31.6f};
};

struct Iq4Xs {
  using Levels = Iq4Levels;
  static constexpr int kGroup = 32, kLowCode = -32;
  static constexpr float kRoughStarts[] = {-127.0f, 113.0f};
  static constexpr float kPlainStarts[] = {-130.0f, 114.0f, -123.0f, -137.0f, -108.0f,
                                           121.0f,  109.0f, -127.0f, -133.0f};
  static constexpr float kWeightedStarts[] = {
      -134.0f, 116.0f, -156.0f, -123.0f, -105.0f, 135.0f, 110.0f, 155.0f,  -143.0f, -170.0f,
      -88.0f,  95.0f,  126.0f,  -112.0f, -128.0f, 143.0f, -99.0f, -119.0f, 88.0f,   -83.0f};
};

}  // namespace

void encode_q3_k(const float* x, int64_t n, const float* importance, uint8_t* to) {
  SignedBlock<Q3K> block;
  for (int64_t begin = 0; begin < n; begin += 256, to += 110) {
    block.encode(x + begin, importance == nullptr ? nullptr : importance + begin);
    uint8_t *high = to, *low = to + 32, *scales = to + 96;
    pack_two_bits(block.levels(), low);
    for (int i = 0; i < 32; ++i) {
      int bits = 0;
      for (int k = 0; k < 8; ++k) bits |= (block.level(32 * k + i) >> 2) << k;
      high[i] = static_cast<uint8_t>(bits);
    }
    for (int k = 0; k < 4; ++k) {
      int top = 0;
      for (int j = 0; j < 4; ++j) top |= ((block.scale(4 * j + k) + 32) >> 4) << (2 * j);
      scales[8 + k] = static_cast<uint8_t>(top);
    }
    for (int k = 0; k < 8; ++k)
      scales[k] = static_cast<uint8_t>(((block.scale(k) + 32) & 15) |
                                       ((block.scale(k + 8) + 32) & 15) << 4);
    store(block.d(), to + 108);
  }
}

void encode_q6_k(const float* x, int64_t n, const float* importance, uint8_t* to) {
  SignedBlock<Q6K> block;
  for (int64_t begin = 0; begin < n; begin += 256, to += 210) {
    block.encode(x + begin, importance == nullptr ? nullptr : importance + begin);
    uint8_t high[256];
    for (int i = 0; i < 256; ++i) high[i] = static_cast<uint8_t>(block.level(i) >> 4);
    pack_two_bits(high, to + 128);
    pack_nibbles<64>(block.levels(), to);
    pack_nibbles<64>(block.levels() + 128, to + 64);
    for (int k = 0; k < 16; ++k) to[192 + k] = static_cast<uint8_t>(block.scale(k));
    store(block.d(), to + 208);
  }
}

void encode_iq4_xs(const float* x, int64_t n, const float* importance, uint8_t* to) {
  SignedBlock<Iq4Xs> block;
  for (int64_t begin = 0; begin < n; begin += 256, to += 136) {
    block.encode(x + begin, importance == nullptr ? nullptr : importance + begin);
    int high = 0;
    for (int k = 0; k < 8; ++k) high |= ((block.scale(k) + 32) >> 4) << (2 * k);
    store(block.d(), to);
    store(static_cast<uint16_t>(high), to + 2);
    for (int k = 0; k < 4; ++k)
      to[4 + k] = static_cast<uint8_t>(((block.scale(2 * k) + 32) & 15) |
                                       ((block.scale(2 * k + 1) + 32) & 15) << 4);
    for (int k = 0; k < 8; ++k) pack_nibbles<16>(block.levels() + 32 * k, to + 8 + 16 * k);
  }
}

}  // namespace hadal::encoders
