// Decoders of the IQ formats: 256 elements, groups of 8 (or 4) looked up in a code book, signs and
// scales apart. ib counts the 32 elements that share a scale or half of one, l the groups of 8.
#include <bit>

#include "lib/tensor/block_decoders.hpp"
#include "lib/tensor/iq_grids.hpp"

namespace hadal {
namespace {

float level2(uint16_t entry, int j, const int8_t* levels) {
  return static_cast<float>(levels[(entry >> (2 * j)) & 3]);
}
float level3(uint16_t entry, int j, const int8_t* levels) {
  return static_cast<float>(levels[(entry >> (3 * j)) & 7]);
}

// Seven signs are stored; the eighth makes the number of negative ones even.
uint8_t eight_signs(uint32_t seven) {
  seven &= 127;
  return static_cast<uint8_t>(seven | (static_cast<uint32_t>(std::popcount(seven) & 1) << 7));
}

float sign(uint8_t signs, int j) { return ((signs >> j) & 1) != 0 ? -1.0f : 1.0f; }

// Eight elements of a book with two-bit levels.
void decode_8(float scale, uint16_t entry, uint8_t signs, float* x) {
  for (int j = 0; j < 8; ++j) x[j] = scale * level2(entry, j, kIq2Levels) * sign(signs, j);
}

// Eight elements out of two entries of a book with three-bit levels.
void decode_4_and_4(float scale, uint16_t first, uint16_t second, const int8_t* levels,
                    uint8_t signs, float* x) {
  for (int j = 0; j < 4; ++j) x[j] = scale * level3(first, j, levels) * sign(signs, j);
  for (int j = 0; j < 4; ++j) x[4 + j] = scale * level3(second, j, levels) * sign(signs, 4 + j);
}

void decode_8_of_iq1(float scale, uint16_t entry, float delta, float* x) {
  for (int j = 0; j < 8; ++j) x[j] = scale * (level2(entry, j, kIq1Levels) + delta);
}

float quarter_scale(float d, int s) { return d * (0.5f + static_cast<float>(s)) * 0.25f; }

}  // namespace

void decode_iq2_xxs(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  for (int ib = 0; ib < 8; ++ib) {
    const uint8_t* record = block + 2 + 8 * ib;
    const uint32_t a = load_u32(record + 4);
    const float scale = quarter_scale(d, static_cast<int>(a >> 28));
    for (int l = 0; l < 4; ++l)
      decode_8(scale, kIq2xxsGrid[record[l]], eight_signs(a >> (7 * l)), x + 32 * ib + 8 * l);
  }
}

void decode_iq2_xs(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  const uint8_t *codes = block + 2, *scales = block + 66;
  for (int g = 0; g < 32; ++g) {
    const uint32_t w = load_u16(codes + 2 * g);
    const float scale = quarter_scale(d, nibble(scales[g / 4], g % 4 / 2));
    decode_8(scale, kIq2xsGrid[w & 511], eight_signs(w >> 9), x + 8 * g);
  }
}

void decode_iq2_s(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  const uint8_t *low = block + 2, *signs = block + 34, *high = block + 66, *scales = block + 74;
  for (int g = 0; g < 32; ++g) {
    const int ib = g / 4, l = g % 4;
    const int entry = low[g] + 256 * ((high[ib] >> (2 * l)) & 3);
    decode_8(quarter_scale(d, nibble(scales[ib], l / 2)), kIq2sGrid[entry], signs[g], x + 8 * g);
  }
}

void decode_iq3_xxs(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  const uint8_t* codes = block + 2;
  for (int ib = 0; ib < 8; ++ib) {
    const uint32_t a = load_u32(block + 66 + 4 * ib);
    const float scale = d * (0.5f + static_cast<float>(a >> 28)) * 0.5f;
    for (int l = 0; l < 4; ++l) {
      const uint8_t* pair = codes + 8 * ib + 2 * l;
      decode_4_and_4(scale, kIq3xxsGrid[pair[0]], kIq3xxsGrid[pair[1]], kIq3xxsLevels,
                     eight_signs(a >> (7 * l)), x + 32 * ib + 8 * l);
    }
  }
}

void decode_iq3_s(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  const uint8_t *low = block + 2, *high = block + 66, *signs = block + 74, *scales = block + 106;
  for (int g = 0; g < 32; ++g) {
    const int ib = g / 4, t = g % 4 * 2;
    const float scale = d * static_cast<float>(1 + 2 * nibble(scales[ib / 2], ib % 2));
    const int first = low[2 * g] + 256 * ((high[ib] >> t) & 1);
    const int second = low[2 * g + 1] + 256 * ((high[ib] >> (t + 1)) & 1);
    decode_4_and_4(scale, kIq3sGrid[first], kIq3sGrid[second], kIq3sLevels, signs[g], x + 8 * g);
  }
}

void decode_iq1_s(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  const uint8_t* low = block + 2;
  for (int ib = 0; ib < 8; ++ib) {
    const int h = load_u16(block + 34 + 2 * ib);
    const float scale = d * static_cast<float>(2 * ((h >> 12) & 7) + 1);
    const float delta = (h & 0x8000) != 0 ? -0.125f : 0.125f;
    for (int l = 0; l < 4; ++l) {
      const int entry = low[4 * ib + l] + 256 * ((h >> (3 * l)) & 7);
      decode_8_of_iq1(scale, kIq1sGrid[entry], delta, x + 32 * ib + 8 * l);
    }
  }
}

void decode_iq1_m(const uint8_t* block, float* x) {
  const uint8_t *low = block, *high = block + 32, *packed = block + 48;
  // The scale of the block is spread over the top nibbles of the four scale words.
  uint32_t bits = 0;
  for (int i = 0; i < 4; ++i)
    bits |= static_cast<uint32_t>(load_u16(packed + 2 * i) >> 12) << (4 * i);
  const float d = float_from_f16(static_cast<uint16_t>(bits));
  for (int g = 0; g < 32; ++g) {
    const int k = g / 2;
    const int s = (load_u16(packed + 2 * (k / 4)) >> (3 * (k % 4))) & 7;
    const int extra = nibble(high[g / 2], g % 2);
    const int entry = low[g] + 256 * (extra & 7);
    decode_8_of_iq1(d * static_cast<float>(2 * s + 1), kIq1sGrid[entry],
                    (extra & 8) != 0 ? -0.125f : 0.125f, x + 8 * g);
  }
}

void decode_iq4_xs(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  const int high_scales = load_u16(block + 2);
  const uint8_t *low_scales = block + 4, *levels = block + 8;
  for (int i = 0; i < 256; ++i) {
    const int ib = i / 32;
    const int s = nibble(low_scales[ib / 2], ib % 2) + 16 * ((high_scales >> (2 * ib)) & 3) - 32;
    const int level = nibble(levels[16 * ib + i % 16], i % 32 / 16);
    x[i] = d * static_cast<float>(s) * static_cast<float>(kIq4Levels[level]);
  }
}

}  // namespace hadal
