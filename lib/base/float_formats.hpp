// The small float formats of checkpoints, to and from float: bf16, f16, fp8 e4m3 (the "fn" kind:
// no infinities, 0x7f is NaN); and fp8 e8m0, for scales. Conversions to a small format round to
// nearest, ties to even.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace hadal {

inline float float_from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline uint16_t bf16_from_float(float value) {
  const uint32_t u = std::bit_cast<uint32_t>(value);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 64);  // quiet NaN
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}

inline float float_from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal, exact
  return sign ? -magnitude : magnitude;
}

uint16_t f16_from_float(float value);

namespace float_formats {

constexpr float e4m3_value(uint8_t bits) {
  if ((bits & 0x7f) == 0x7f) return std::bit_cast<float>(0x7fc00000u);
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80u) << 24;
  const uint32_t magnitude = bits & 0x7fu;
  if (magnitude >= 8) return std::bit_cast<float>(sign | ((magnitude << 20) + (120u << 23)));
  const float subnormal = static_cast<float>(magnitude) * 0x1p-9f;
  return sign ? -subnormal : subnormal;
}

constexpr std::array<float, 256> e4m3_values() {
  std::array<float, 256> values = {};
  for (uint32_t i = 0; i < 256; ++i) values[i] = e4m3_value(static_cast<uint8_t>(i));
  return values;
}

inline constexpr std::array<float, 256> kE4m3Values = e4m3_values();

}  // namespace float_formats

inline float float_from_e4m3(uint8_t bits) { return float_formats::kE4m3Values[bits]; }

// A power of two from 2^-127 on; 255 is NaN.
inline float float_from_e8m0(uint8_t bits) {
  if (bits == 0) return 0x1p-127f;
  return std::bit_cast<float>(bits == 255 ? 0x7fc00000u : static_cast<uint32_t>(bits) << 23);
}

}  // namespace hadal
