// The block formats in terms of vec.hpp, which each instruction set has of its own and includes
// first. A format gives the elements of a block to `sink` sixteen at a time, in order: the same
// code decodes into a panel and into the registers of a product. Values equal those of decode_row()
// to the bit, so products and sums are taken in its order. Layouts: lib/tensor/block_formats_*.cpp.
#pragma once

namespace {

struct F32 {
  static constexpr int kElements = 16, kSize = 64, kElementSize = 4;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    float x[16];
    __builtin_memcpy(x, b, sizeof x);
    sink(0, load(x));
  }
};

struct F16 {
  static constexpr int kElements = 16, kSize = 32, kElementSize = 2;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    sink(0, from_16_f16(b));
  }
};

struct Bf16 {
  static constexpr int kElements = 16, kSize = 32, kElementSize = 2;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    sink(0, from_16_bf16(b));
  }
};

// Without the scales of its blocks, which lie elsewhere.
struct F8E4m3 {
  static constexpr int kElements = 16, kSize = 16, kElementSize = 1;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    sink(0, from_16_e4m3(b));
  }
};

// ---- Blocks of 32 -------------------------------------------------------------------------------

HADAL_INLINE Bytes low_nibbles(Bytes x) { return shift_right(x, 0, 15); }
HADAL_INLINE Bytes high_nibbles(Bytes x) { return shift_right(x, 4, 15); }
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);  // as files are
HADAL_INLINE uint32_t load_u32(const uint8_t* p) {
  uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}

struct Q4_0 {
  static constexpr int kElements = 32, kSize = 18;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const Floats d = broadcast(from_f16(b));
    const auto values =
        nibble_values([d](Bytes q) HADAL_LAMBDA { return mul(d, from_signed(add_bytes(q, -8))); });
    const auto levels = values.widen(load_bytes(b + 2));
    sink(0, values.low(levels));
    sink(1, values.high(levels));
  }
};

struct Q4_1 {
  static constexpr int kElements = 32, kSize = 20;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const Floats d = broadcast(from_f16(b)), m = broadcast(from_f16(b + 2));
    const auto values =
        nibble_values([d, m](Bytes q) HADAL_LAMBDA { return add(mul(d, from_unsigned(q)), m); });
    const auto levels = values.widen(load_bytes(b + 4));
    sink(0, values.low(levels));
    sink(1, values.high(levels));
  }
};

struct Q5_0 {
  static constexpr int kElements = 32, kSize = 22;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const Floats d = broadcast(from_f16(b));
    const uint32_t high = load_u32(b + 2);
    const Bytes levels = load_bytes(b + 6);
    const Bytes first = or_bytes(low_nibbles(levels), spread_bits(high & 0xffff, 16));
    const Bytes second = or_bytes(high_nibbles(levels), spread_bits(high >> 16, 16));
    sink(0, mul(d, from_signed(add_bytes(first, -16))));
    sink(1, mul(d, from_signed(add_bytes(second, -16))));
  }
};

struct Q5_1 {
  static constexpr int kElements = 32, kSize = 24;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const Floats d = broadcast(from_f16(b)), m = broadcast(from_f16(b + 2));
    const uint32_t high = load_u32(b + 4);
    const Bytes levels = load_bytes(b + 8);
    const Bytes first = or_bytes(low_nibbles(levels), spread_bits(high & 0xffff, 16));
    const Bytes second = or_bytes(high_nibbles(levels), spread_bits(high >> 16, 16));
    sink(0, add(mul(d, from_unsigned(first)), m));
    sink(1, add(mul(d, from_unsigned(second)), m));
  }
};

struct Q8_0 {
  static constexpr int kElements = 32, kSize = 34;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const Floats d = broadcast(from_f16(b));
    sink(0, mul(d, from_signed(load_bytes(b + 2))));
    sink(1, mul(d, from_signed(load_bytes(b + 18))));
  }
};

constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
constexpr int8_t kE2m1Twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

struct Iq4Nl {
  static constexpr int kElements = 32, kSize = 18;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const Floats d = broadcast(from_f16(b));
    const auto values = nibble_values(
        [d](Bytes q) HADAL_LAMBDA { return mul(d, from_signed(look_up(kIq4Levels, q))); });
    const auto levels = values.widen(load_bytes(b + 2));
    sink(0, values.low(levels));
    sink(1, values.high(levels));
  }
};

struct Mxfp4 {
  static constexpr int kElements = 32, kSize = 17;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const uint32_t e = b[0];
    const Floats d = broadcast(float_from_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23));
    const auto values = nibble_values(
        [d](Bytes q) HADAL_LAMBDA { return mul(d, from_signed(look_up(kE2m1Twice, q))); });
    const auto levels = values.widen(load_bytes(b + 1));
    sink(0, values.low(levels));
    sink(1, values.high(levels));
  }
};

// ---- Blocks of 256 ------------------------------------------------------------------------------

struct Q2K {
  static constexpr int kElements = 256, kSize = 84;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    float scale[16], min[16];
    const Bytes packed = load_bytes(b);
    store(scale, mul(broadcast(from_f16(b + 80)), from_unsigned(low_nibbles(packed))));
    store(min, mul(broadcast(from_f16(b + 82)), from_unsigned(high_nibbles(packed))));
    for (int half = 0; half < 2; ++half) {
      const Bytes levels[2] = {load_bytes(b + 16 + 32 * half), load_bytes(b + 32 + 32 * half)};
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const int k = 8 * half + j;
        const Floats q = from_unsigned(shift_right(levels[j % 2], j / 2 * 2, 3));
        sink(k, sub(mul(broadcast(scale[k]), q), broadcast(min[k])));
      }
    }
  }
};

struct Q3K {
  static constexpr int kElements = 256, kSize = 110;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    // Sixteen scales of six bits: the low four of k in the nibbles of bytes 0 to 7, the high two
    // of k in byte 8 + k % 4, from bit 2 * (k / 4) on.
    const uint32_t low = load_u32(b + 96), more = load_u32(b + 100), top = load_u32(b + 104);
    const auto six_bits = [top](uint32_t four_bits, int shift) HADAL_LAMBDA {
      return (four_bits & 0x0f0f0f0fu) | (((top >> shift) & 0x03030303u) << 4);
    };
    const Bytes scales = sixteen_bytes(six_bits(low, 0), six_bits(more, 2), six_bits(low >> 4, 4),
                                       six_bits(more >> 4, 6));
    float scale[16];
    store(scale, mul(broadcast(from_f16(b + 108)), from_signed(add_bytes(scales, -32))));
    const Bytes high[2] = {load_bytes(b), load_bytes(b + 16)};
    for (int half = 0; half < 2; ++half) {
      const Bytes levels[2] = {load_bytes(b + 32 + 32 * half), load_bytes(b + 48 + 32 * half)};
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const int k = 8 * half + j;
        const Bytes q =
            or_bytes(shift_right(levels[j % 2], j / 2 * 2, 3), where_bit(high[j % 2], k / 2, 4));
        sink(k, mul(broadcast(scale[k]), from_signed(add_bytes(q, -4))));
      }
    }
  }
};

// The scales and minima of q4_k and q5_k, six bits each in 12 bytes, times d and dmin.
struct ScalesAndMins {
  float scale[16], min[16];  // of which 8 count
};
HADAL_INLINE void scales_and_mins(const uint8_t* b, ScalesAndMins& out) {
  const uint32_t a = load_u32(b + 4), c = load_u32(b + 8), e = load_u32(b + 12);
  const Bytes scales = eight_bytes(a & 0x3f3f3f3fu, (e & 0x0f0f0f0fu) | ((a >> 2) & 0x30303030u));
  const Bytes mins =
      eight_bytes(c & 0x3f3f3f3fu, ((e >> 4) & 0x0f0f0f0fu) | ((c >> 2) & 0x30303030u));
  store(out.scale, mul(broadcast(from_f16(b)), from_unsigned(scales)));
  store(out.min, mul(broadcast(from_f16(b + 2)), from_unsigned(mins)));
}

struct Q4K {
  static constexpr int kElements = 256, kSize = 144;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    ScalesAndMins s;
    scales_and_mins(b, s);
    for (int k = 0; k < 8; k += 2) {
      const auto values_of = [&s](int part) HADAL_LAMBDA {
        const Floats scale = broadcast(s.scale[part]), min = broadcast(s.min[part]);
        return nibble_values([scale, min](Bytes q)
                                 HADAL_LAMBDA { return sub(mul(scale, from_unsigned(q)), min); });
      };
      const auto even = values_of(k), odd = values_of(k + 1);
      const auto first = even.widen(load_bytes(b + 16 + 16 * k));
      const auto second = even.widen(load_bytes(b + 32 + 16 * k));
      sink(2 * k, even.low(first));
      sink(2 * k + 1, even.low(second));
      sink(2 * k + 2, odd.high(first));
      sink(2 * k + 3, odd.high(second));
    }
  }
};

struct Q5K {
  static constexpr int kElements = 256, kSize = 176;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    ScalesAndMins s;
    scales_and_mins(b, s);
    const Bytes high[2] = {load_bytes(b + 16), load_bytes(b + 32)};
    for (int k = 0; k < 8; k += 2) {
      const Bytes levels[2] = {load_bytes(b + 48 + 16 * k), load_bytes(b + 64 + 16 * k)};
      HADAL_UNROLL
      for (int j = 0; j < 4; ++j) {
        const int part = k + j / 2;
        const Bytes q =
            or_bytes(shift_right(levels[j % 2], j / 2 * 4, 15), where_bit(high[j % 2], part, 16));
        sink(2 * k + j,
             sub(mul(broadcast(s.scale[part]), from_unsigned(q)), broadcast(s.min[part])));
      }
    }
  }
};

struct Q6K {
  static constexpr int kElements = 256, kSize = 210;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    float scale[16];
    store(scale, mul(broadcast(from_f16(b + 208)), from_signed(load_bytes(b + 192))));
    for (int half = 0; half < 2; ++half) {
      const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
      const Bytes lows[4] = {load_bytes(low), load_bytes(low + 16), load_bytes(low + 32),
                             load_bytes(low + 48)};
      const Bytes highs[2] = {load_bytes(high), load_bytes(high + 16)};
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const int quarter = j / 2;
        const Bytes two = quarter < 2 ? shift_left(highs[j % 2], 4 - 2 * quarter, 0x30)
                                      : shift_right(highs[j % 2], 2 * quarter - 4, 0x30);
        const Bytes q = or_bytes(shift_right(lows[j % 4], quarter / 2 * 4, 15), two);
        const int k = 8 * half + j;
        sink(k, mul(broadcast(scale[k]), from_signed(add_bytes(q, -32))));
      }
    }
  }
};

struct Iq4Xs {
  static constexpr int kElements = 256, kSize = 136;
  template <class Sink>
  HADAL_INLINE static void decode(const uint8_t* b, Sink&& sink) {
    const float d = from_f16(b);
    const int high_scales = b[2] | (b[3] << 8);
    for (int k = 0; k < 8; ++k) {
      const int low = (b[4 + k / 2] >> (k % 2 * 4)) & 15;
      const int s = low + 16 * ((high_scales >> (2 * k)) & 3) - 32;
      const Floats scale = broadcast(d * static_cast<float>(s));
      const auto values = nibble_values([scale](Bytes q) HADAL_LAMBDA {
        return mul(scale, from_signed(look_up(kIq4Levels, q)));
      });
      const auto levels = values.widen(load_bytes(b + 8 + 16 * k));
      sink(2 * k, values.low(levels));
      sink(2 * k + 1, values.high(levels));
    }
  }
};

}  // namespace
