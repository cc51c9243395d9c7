// The ternary formats and nvfp4 for products in 8 bits: int8_formats.hpp says how.
#pragma once

#include "backends/cpu/isa/int8_formats.hpp"

namespace {

struct Int8Tq2_0 : Int8Shape<32, Mins::kNone, false, 3, 0> {
  using Block = Tq2_0;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const RowFloats d = load_f16(rows, b + 64);
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      Ints t[8];
      load_8_words(rows, b + 32 * half, t);
      HADAL_UNROLL
      for (int j = 0; j < 4; ++j) {
        sink.begin(4 * half + j);
        HADAL_UNROLL
        for (int i = 0; i < 8; ++i)
          sink.add(i, and_ints(shift_ints_right(t[i], 2 * j), 0x03030303u));
        sink.end(4 * half + j, d);
      }
    }
  }
};

// Four bytes, each a fraction b / 256 whose digits in base 3 are wanted one after the other.
struct Trits {
  Ints even, odd;

  HADAL_INLINE void set(Ints x) {
    even = and_ints(x, 0x00ff00ffu);
    odd = and_ints(shift_ints_right(x, 8), 0x00ff00ffu);
  }
  HADAL_INLINE Ints next() {
    // What comes above the byte in three times a fraction is its first digit.
    const Ints a = add_ints(add_ints(even, even), even), b = add_ints(add_ints(odd, odd), odd);
    even = and_ints(a, 0x00ff00ffu);
    odd = and_ints(b, 0x00ff00ffu);
    return select_bits(0x00ff00ffu, shift_ints_right(a, 8), b);
  }
};

struct Int8Tq1_0 : Int8Shape<32, Mins::kNone, false, 2, 0> {
  using Block = Tq1_0;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    Ints t[8], tail[4];
    load_8_words(rows, b, t);
    load_4_words(rows, b + 38, tail);  // the last four bytes of digits and the scale
    const RowFloats d = high_f16(tail[3]);
    Trits trits[8];
    HADAL_UNROLL
    for (int i = 0; i < 8; ++i) trits[i].set(t[i]);
    HADAL_UNROLL
    for (int s = 0; s < 5; ++s) {
      sink.begin(s);
      HADAL_UNROLL
      for (int i = 0; i < 8; ++i) sink.add(i, trits[i].next());
      sink.end(s, d);
    }
    load_4_words(rows, b + 32, t);
    HADAL_UNROLL
    for (int i = 0; i < 4; ++i) trits[i].set(t[i]);
    trits[4].set(or_ints(shift_ints_right(tail[2], 16), shift_ints_left(tail[3], 16)));
    HADAL_UNROLL
    for (int s = 5; s < 8; ++s) {
      sink.begin(s);
      HADAL_UNROLL
      for (int i = 0; i < 8; ++i) sink.add(i, trits[s == 7 && i >= 4 ? 4 : i % 4].next());
      sink.end(s, d);
    }
  }
};

// Levels are e2m1 doubled and 16 more.
constexpr int8_t kE2m1TwiceAnd16[16] = {16, 17, 18, 19, 20, 22, 24, 28,
                                        16, 15, 14, 13, 12, 10, 8,  4};

struct Int8Nvfp4 : Int8Shape<16, Mins::kNone, false, 28, 4> {
  using Block = Nvfp4;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int s, Sink& sink) {
    const Ints scales = load_word(rows, b);
    Ints t[8];
    load_8_words(rows, b + 4, t);
    HADAL_UNROLL
    for (int part = 0; part < 4; ++part) {
      const Ints e4m3 = byte_of(scales, part);
      // As the top of a float, the byte is the number but for a power of two; so is one below the
      // normal numbers. What would be NaN counts as nothing.
      const Ints bits = shift_ints_left(and_ints(e4m3, 0x7f), 20);
      const Ints is_other = xor_ints(e4m3, broadcast_int(0x7f));
      const RowFloats scale = as_floats(where_below(is_other, 1, broadcast_int(0), bits));
      sink.begin(4 * s + part);
      HADAL_UNROLL
      for (int i = 0; i < 4; ++i) {
        const Ints two = t[2 * part + i % 2];
        sink.add(
            i, look_up_bytes(kE2m1TwiceAnd16, i < 2 ? low_nibbles_of(two) : high_nibbles_of(two)));
      }
      sink.end(4 * s + part, mul_rows(scale, broadcast_row(0x1p119f)));
    }
  }
};

}  // namespace
