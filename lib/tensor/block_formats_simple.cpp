// Decoders of the blocks with one scale (nvfp4: one per 16 elements). In the four- and five-bit
// formats byte i % 16 holds element i: the first half in the low nibbles, the second in the high.
#include <bit>
#include <cmath>

#include "lib/tensor/block_decoders.hpp"

namespace hadal {
namespace {

// Twice the values of e2m1, so that they are whole.
constexpr int8_t kE2m1Twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

int nibble_of_32(const uint8_t* bytes, int i) { return nibble(bytes[i % 16], i / 16); }

int bit(uint32_t bits, int i) { return static_cast<int>((bits >> i) & 1); }

// 2^(e - 128): half of what the byte says as e8m0, because the levels are doubled.
float half_of_e8m0(uint8_t e) {
  const uint32_t bits = e < 2 ? uint32_t{0x00200000} << e : static_cast<uint32_t>(e - 1) << 23;
  return std::bit_cast<float>(bits);
}

// Half of e4m3 without a sign bit; the pattern that would be NaN counts as zero, bit 7 for nothing
// but that it keeps 0xff from being that pattern.
float half_of_ue4m3(uint8_t bits) {
  if (bits == 0 || bits == 0x7f) return 0.0f;
  const int exponent = (bits >> 3) & 15;
  const float mantissa = static_cast<float>(bits & 7);
  const float value =
      exponent == 0 ? mantissa * 0x1p-9f : std::ldexp(1.0f + mantissa / 8.0f, exponent - 7);
  return value * 0.5f;
}

}  // namespace

void decode_q4_0(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  for (int i = 0; i < 32; ++i) x[i] = d * static_cast<float>(nibble_of_32(block + 2, i) - 8);
}

void decode_q4_1(const uint8_t* block, float* x) {
  const float d = load_f16(block), m = load_f16(block + 2);
  for (int i = 0; i < 32; ++i) x[i] = d * static_cast<float>(nibble_of_32(block + 4, i)) + m;
}

void decode_q5_0(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  const uint32_t high = load_u32(block + 2);
  for (int i = 0; i < 32; ++i)
    x[i] = d * static_cast<float>(nibble_of_32(block + 6, i) + 16 * bit(high, i) - 16);
}

void decode_q5_1(const uint8_t* block, float* x) {
  const float d = load_f16(block), m = load_f16(block + 2);
  const uint32_t high = load_u32(block + 4);
  for (int i = 0; i < 32; ++i)
    x[i] = d * static_cast<float>(nibble_of_32(block + 8, i) + 16 * bit(high, i)) + m;
}

void decode_q8_0(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  for (int i = 0; i < 32; ++i) x[i] = d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

void decode_iq4_nl(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  for (int i = 0; i < 32; ++i)
    x[i] = d * static_cast<float>(kIq4Levels[nibble_of_32(block + 2, i)]);
}

void decode_mxfp4(const uint8_t* block, float* x) {
  const float d = half_of_e8m0(block[0]);
  for (int i = 0; i < 32; ++i)
    x[i] = d * static_cast<float>(kE2m1Twice[nibble_of_32(block + 1, i)]);
}

void decode_nvfp4(const uint8_t* block, float* x) {
  for (int part = 0; part < 4; ++part) {
    const float d = half_of_ue4m3(block[part]);
    const uint8_t* levels = block + 4 + 8 * part;
    for (int i = 0; i < 16; ++i)
      x[16 * part + i] = d * static_cast<float>(kE2m1Twice[nibble(levels[i % 8], i / 8)]);
  }
}

void decode_q1_0(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  for (int i = 0; i < 128; ++i) x[i] = ((block[2 + i / 8] >> (i % 8)) & 1) != 0 ? d : -d;
}

void decode_q2_0(const uint8_t* block, float* x) {
  const float d = load_f16(block);
  for (int i = 0; i < 64; ++i)
    x[i] = d * static_cast<float>(((block[2 + i / 4] >> (2 * (i % 4))) & 3) - 1);
}

}  // namespace hadal
