// The ternary formats and nvfp4, as formats.hpp has the others.
#pragma once

#include "backends/cpu/isa/formats.hpp"

namespace {

struct Tq1_0 {
  static constexpr int kElements = 256, kSize = 54;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    constexpr int kPower[5] = {1, 3, 9, 27, 81};
    const Floats d = broadcast(from_f16(b + 52));
    // Digit n in base 3 of the fractions byte / 256.
    const auto digits = [d](const uint8_t* fractions, int power) HADAL_LAMBDA {
      uint8_t digit[16];
      for (int i = 0; i < 16; ++i)
        digit[i] = static_cast<uint8_t>(((fractions[i] * power & 255) * 3) >> 8);
      return mul(d, from_signed(add_bytes(load_bytes(digit), -1)));
    };
    for (int n = 0; n < 5; ++n) {
      sink(2 * n, digits(b, kPower[n]));
      sink(2 * n + 1, digits(b + 16, kPower[n]));
    }
    for (int n = 0; n < 5; ++n) sink(10 + n, digits(b + 32, kPower[n]));
    uint8_t last[16];  // four bytes with four digits each
    for (int i = 0; i < 16; ++i) last[i] = static_cast<uint8_t>(b[48 + i % 4] * kPower[i / 4]);
    sink(15, digits(last, 1));
  }
};

struct Tq2_0 {
  static constexpr int kElements = 256, kSize = 66;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const Floats d = broadcast(from_f16(b + 64));
    for (int half = 0; half < 2; ++half) {
      const Bytes levels[2] = {load_bytes(b + 32 * half), load_bytes(b + 32 * half + 16)};
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const Bytes q = shift_right(levels[j % 2], j / 2 * 2, 3);
        sink(8 * half + j, mul(d, from_signed(add_bytes(q, -1))));
      }
    }
  }
};

struct Nvfp4 {
  static constexpr int kElements = 64, kSize = 36;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    for (int part = 0; part < 4; ++part) {
      // The byte is the top of a float but for a power of two; what would be NaN counts as nothing.
      const uint32_t e4m3 = b[part], bits = e4m3 == 0x7f ? 0 : (e4m3 & 0x7f) << 20;
      const Floats d = broadcast(float_from_bits(bits) * 0x1p119f);
      const uint32_t first = load_u32(b + 4 + 8 * part), second = load_u32(b + 8 + 8 * part);
      const Bytes levels = sixteen_bytes(first & 0x0f0f0f0fu, second & 0x0f0f0f0fu,
                                         (first >> 4) & 0x0f0f0f0fu, (second >> 4) & 0x0f0f0f0fu);
      sink(part, mul(d, from_signed(look_up(kE2m1Twice, levels))));
    }
  }
};

}  // namespace
