// The block formats out of code books, as formats.hpp has the others: two entries of eight levels
// or four of four are the sixteen elements for the sink. Layouts: lib/tensor/block_formats_iq.cpp.
#pragma once

#include "backends/cpu/iq_books.hpp"
#include "backends/cpu/isa/formats.hpp"

namespace {

using hadal::cpu::BookOf4;
using hadal::cpu::BookOf8;
using hadal::cpu::kIqBooks;

HADAL_INLINE uint32_t load_u16(const uint8_t* p) {
  uint16_t half;
  __builtin_memcpy(&half, p, sizeof half);
  return half;
}
// Seven signs are stored; the eighth makes the number of negative ones even.
HADAL_INLINE uint32_t eight_signs(uint32_t seven) {
  seven &= 127;
  const uint32_t four = seven ^ (seven >> 4);
  return seven | (((0x6996u >> (four & 15)) & 1) << 7);
}

template <size_t n>
HADAL_INLINE Bytes two_of_8(const BookOf8<n>& book, uint32_t first, uint32_t second) {
  const uint64_t a = book.bytes[first], b = book.bytes[second];
  return sixteen_bytes(static_cast<uint32_t>(a), static_cast<uint32_t>(a >> 32),
                       static_cast<uint32_t>(b), static_cast<uint32_t>(b >> 32));
}
template <size_t n, int offset>
HADAL_INLINE Bytes four_of_4(const BookOf4<n, offset>& book, uint32_t a, uint32_t b, uint32_t c,
                             uint32_t d) {
  return sixteen_bytes(book.bytes[a], book.bytes[b], book.bytes[c], book.bytes[d]);
}
// Levels as a book has them, `offset` too high, with signs and a scale.
HADAL_INLINE Floats signed_levels(Bytes x, int offset, uint32_t signs, float scale) {
  return mul(broadcast(scale), from_signed(negate_where(add_bytes(x, -offset), signs)));
}

struct Iq2Xxs {
  static constexpr int kElements = 256, kSize = 66;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const float d = from_f16(b);
    for (int k = 0; k < 16; ++k) {
      const uint8_t *record = b + 2 + k / 2 * 8, *codes = record + k % 2 * 2;
      const uint32_t a = load_u32(record + 4), sevens = a >> (k % 2 * 14);
      const float scale = d * (0.5f + static_cast<float>(a >> 28)) * 0.25f;
      const uint32_t signs = eight_signs(sevens) | (eight_signs(sevens >> 7) << 8);
      sink(k, signed_levels(two_of_8(kIqBooks.iq2_xxs, codes[0], codes[1]), 64, signs, scale));
    }
  }
};

struct Iq2Xs {
  static constexpr int kElements = 256, kSize = 74;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const float d = from_f16(b);
    for (int k = 0; k < 16; ++k) {
      const uint32_t codes = load_u32(b + 2 + 4 * k), first = codes & 511;
      const int s = (b[66 + k / 2] >> (k % 2 * 4)) & 15;
      const float scale = d * (0.5f + static_cast<float>(s)) * 0.25f;
      const uint32_t signs = eight_signs(codes >> 9) | (eight_signs(codes >> 25) << 8);
      sink(k,
           signed_levels(two_of_8(kIqBooks.iq2_xs, first, (codes >> 16) & 511), 64, signs, scale));
    }
  }
};

struct Iq2S {
  static constexpr int kElements = 256, kSize = 82;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const float d = from_f16(b);
    for (int k = 0; k < 16; ++k) {
      const uint8_t* low = b + 2 + 2 * k;
      const uint32_t high = static_cast<uint32_t>(b[66 + k / 2]) >> (k % 2 * 4);
      const int s = (b[74 + k / 2] >> (k % 2 * 4)) & 15;
      const float scale = d * (0.5f + static_cast<float>(s)) * 0.25f;
      const Bytes levels =
          two_of_8(kIqBooks.iq2_s, low[0] | ((high & 3) << 8), low[1] | ((high & 12) << 6));
      sink(k, signed_levels(levels, 64, load_u16(b + 34 + 2 * k), scale));
    }
  }
};

struct Iq3Xxs {
  static constexpr int kElements = 256, kSize = 98;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const float d = from_f16(b);
    for (int k = 0; k < 16; ++k) {
      const uint8_t* codes = b + 2 + 4 * k;
      const uint32_t a = load_u32(b + 66 + k / 2 * 4), sevens = a >> (k % 2 * 14);
      const float scale = d * (0.5f + static_cast<float>(a >> 28)) * 0.5f;
      const uint32_t signs = eight_signs(sevens) | (eight_signs(sevens >> 7) << 8);
      const Bytes levels = four_of_4(kIqBooks.iq3_xxs, codes[0], codes[1], codes[2], codes[3]);
      sink(k, signed_levels(levels, 64, signs, scale));
    }
  }
};

struct Iq3S {
  static constexpr int kElements = 256, kSize = 110;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const float d = from_f16(b);
    for (int k = 0; k < 16; ++k) {
      const uint8_t* low = b + 2 + 4 * k;
      const uint32_t high = static_cast<uint32_t>(b[66 + k / 2]) >> (k % 2 * 4);
      const int s = (b[106 + k / 4] >> (k / 2 % 2 * 4)) & 15;
      const float scale = d * static_cast<float>(1 + 2 * s);
      const Bytes levels =
          four_of_4(kIqBooks.iq3_s, low[0] | ((high & 1) << 8), low[1] | ((high & 2) << 7),
                    low[2] | ((high & 4) << 6), low[3] | ((high & 8) << 5));
      sink(k, signed_levels(levels, 16, load_u16(b + 74 + 2 * k), scale));
    }
  }
};

// Two entries of the book of iq1; `negative` says which of the two have a delta of -1 / 8.
HADAL_INLINE Floats iq1_levels(uint32_t first, uint32_t second, uint32_t negative, float scale) {
  const uint32_t which = ((negative & 1) * 0xffu) | ((negative & 2) * 0x7f80u);
  const Bytes two_less = spread_bits(which, 0xfe), two = two_of_8(kIqBooks.iq1, first, second);
  const Floats eighths = add(from_signed(add_bytes(two, -16)), from_signed(two_less));
  return mul(broadcast(scale), mul(eighths, broadcast(0.125f)));
}

struct Iq1S {
  static constexpr int kElements = 256, kSize = 50;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const float d = from_f16(b);
    for (int k = 0; k < 16; ++k) {
      const uint8_t* low = b + 2 + 2 * k;
      const uint32_t h = load_u16(b + 34 + k / 2 * 2), high = h >> (k % 2 * 6);
      const float scale = d * static_cast<float>(2 * ((h >> 12) & 7) + 1);
      sink(k, iq1_levels(low[0] | ((high & 7) << 8), low[1] | ((high & 56) << 5), (h >> 15) * 3,
                         scale));
    }
  }
};

struct Iq1M {
  static constexpr int kElements = 256, kSize = 56;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    // The scale of the block is spread over the top bits of four numbers.
    const uint32_t w = load_u32(b + 48), v = load_u32(b + 52);
    const uint32_t bits =
        ((w >> 12) & 15) | ((w >> 24) & 0xf0) | ((v >> 4) & 0xf00) | ((v >> 16) & 0xf000);
    const uint8_t d_bytes[2] = {static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8)};
    const float d = from_f16(d_bytes);
    for (int k = 0; k < 16; ++k) {
      const uint8_t* low = b + 2 * k;
      const uint32_t high = b[32 + k], s = load_u16(b + 48 + k / 4 * 2) >> (k % 4 * 3);
      const float scale = d * static_cast<float>(2 * (s & 7) + 1);
      sink(k, iq1_levels(low[0] | ((high & 7) << 8), low[1] | ((high & 0x70) << 4),
                         ((high >> 3) & 1) | ((high >> 6) & 2), scale));
    }
  }
};

}  // namespace
