// Decoders of the K formats (256 elements; 16 or 32 neighbours share a small whole-number scale,
// the block a float one) and of the two ternary formats.
#include "lib/tensor/block_decoders.hpp"

namespace hadal {
namespace {

int two_bits(const uint8_t* bytes, int i) {  // four planes of 32 elements in every 32 bytes
  return (bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
}

// q4_k and q5_k: part k of 8 has a scale and a minimum of six bits each, packed into 12 bytes.
struct ScaleAndMin {
  float scale, min;
};
ScaleAndMin scale_and_min(const uint8_t* packed, int k) {
  if (k < 4) return {static_cast<float>(packed[k] & 63), static_cast<float>(packed[k + 4] & 63)};
  return {static_cast<float>((packed[k + 4] & 15) | ((packed[k - 4] >> 6) << 4)),
          static_cast<float>((packed[k + 4] >> 4) | ((packed[k] >> 6) << 4))};
}

// One ternary digit of byte b: the digits are those of b / 256 in base 3, first one first.
float trit(uint8_t b, int n) {
  constexpr int kPower[5] = {1, 3, 9, 27, 81};
  const auto shifted = static_cast<uint8_t>(b * kPower[n]);
  return static_cast<float>(((shifted * 3) >> 8) - 1);
}

}  // namespace

void decode_q2_k(const uint8_t* block, float* x) {
  const uint8_t *scales = block, *levels = block + 16;
  const float d = load_f16(block + 80), dmin = load_f16(block + 82);
  for (int i = 0; i < 256; ++i) {
    const uint8_t s = scales[i / 16];
    const float scale = d * static_cast<float>(s & 15), min = dmin * static_cast<float>(s >> 4);
    x[i] = scale * static_cast<float>(two_bits(levels, i)) - min;
  }
}

void decode_q3_k(const uint8_t* block, float* x) {
  const uint8_t *high = block, *levels = block + 32, *scales = block + 96;
  const float d = load_f16(block + 108);
  for (int i = 0; i < 256; ++i) {
    const int k = i / 16;
    const int low_scale = k < 8 ? scales[k] & 15 : scales[k - 8] >> 4;
    const int high_scale = (scales[8 + k % 4] >> (2 * (k / 4))) & 3;
    const float scale = d * static_cast<float>(low_scale + 16 * high_scale - 32);
    const bool has_high = ((high[i % 32] >> (i / 32)) & 1) != 0;
    x[i] = scale * static_cast<float>(two_bits(levels, i) - (has_high ? 0 : 4));
  }
}

void decode_q4_k(const uint8_t* block, float* x) {
  const float d = load_f16(block), dmin = load_f16(block + 2);
  for (int i = 0; i < 256; ++i) {
    const int k = i / 32;
    const auto [sc, m] = scale_and_min(block + 4, k);
    const int level = nibble(block[16 + 32 * (i / 64) + i % 32], k % 2);
    x[i] = (d * sc) * static_cast<float>(level) - dmin * m;
  }
}

void decode_q5_k(const uint8_t* block, float* x) {
  const uint8_t *high = block + 16, *levels = block + 48;
  const float d = load_f16(block), dmin = load_f16(block + 2);
  for (int i = 0; i < 256; ++i) {
    const int k = i / 32;
    const auto [sc, m] = scale_and_min(block + 4, k);
    const int level =
        nibble(levels[32 * (i / 64) + i % 32], k % 2) + 16 * ((high[i % 32] >> k) & 1);
    x[i] = (d * sc) * static_cast<float>(level) - dmin * m;
  }
}

void decode_q6_k(const uint8_t* block, float* x) {
  const uint8_t *low = block, *high = block + 128, *scales = block + 192;
  const float d = load_f16(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, j = i % 128 / 32, l = i % 32;
    const int lo = nibble(low[64 * half + l + 32 * (j & 1)], j >> 1);
    const float scale = d * static_cast<float>(static_cast<int8_t>(scales[i / 16]));
    x[i] = scale * static_cast<float>(lo + 16 * two_bits(high, i) - 32);
  }
}

void decode_tq1_0(const uint8_t* block, float* x) {
  const uint8_t *five = block, *five_more = block + 32, *four = block + 48;
  const float d = load_f16(block + 52);
  for (int i = 0; i < 160; ++i) x[i] = d * trit(five[i % 32], i / 32);
  for (int i = 0; i < 80; ++i) x[160 + i] = d * trit(five_more[i % 16], i / 16);
  for (int i = 0; i < 16; ++i) x[240 + i] = d * trit(four[i % 4], i / 4);
}

void decode_tq2_0(const uint8_t* block, float* x) {
  const float d = load_f16(block + 64);
  for (int i = 0; i < 256; ++i) x[i] = d * static_cast<float>(two_bits(block, i) - 1);
}

}  // namespace hadal
