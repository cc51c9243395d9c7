// The block formats for products in 8 bits, in terms of int8_vec.hpp: kVecRows rows of a weight at
// once. A format gives the levels of its block to `sink`, a word of four per row at a time, in
// order of the columns:
//   for each sub-block s:  begin(s)   add(i, levels), i = 0, 1, ...   end(s, scale)
// and, where weight = level * scale - min, the mins
//   as floats, after end(s):                          float_min(s, min)
//   as whole numbers of two neighbouring sub-blocks:  int_mins(i, pair), at last min_scale(-scale)
// Where scales are whole numbers, int_end(s, scale) takes the place of end(), at last
// block_scale(scale).
// Layouts: lib/tensor/block_formats_*.cpp.
#pragma once

#include "backends/cpu/isa/formats.hpp"
#include "backends/cpu/isa/formats_few.hpp"
#include "backends/cpu/isa/formats_iq.hpp"

namespace {

enum class Mins { kNone, kFloat, kIntOf16, kIntOf32 };

// What the product has to know. Levels are 0 to `most`, or -most to most. Those of a weight that is
// (level - 2^offset_shift) * scale have an offset.
template <int sub, Mins mins, bool is_signed, int most, int offset_shift = -1,
          bool has_int_scales = false>
struct Int8Shape {
  static constexpr int kSub = sub;  // columns that share a scale
  static constexpr Mins kMins = mins;
  static constexpr bool kIsSigned = is_signed;
  static constexpr int kMost = most;
  static constexpr int kOffsetShift = is_signed ? kSignedOffsetShift : offset_shift;
  static constexpr bool kHasIntScales = has_int_scales;
};

HADAL_INLINE Ints low_nibbles_of(Ints x) { return and_ints(x, 0x0f0f0f0fu); }
HADAL_INLINE Ints high_nibbles_of(Ints x) { return low_nibbles_of(shift_ints_right(x, 4)); }
HADAL_INLINE Ints byte_of(Ints x, int i) { return and_ints(shift_ints_right(x, 8 * i), 0xffu); }

// Bytes 0 and 1 of every word, or 2 and 3, as numbers of 16 bits.
HADAL_INLINE Ints pair_of_bytes(Ints x, int second) {
  return shuffle_words(x, second != 0 ? 0x80038002u : 0x80018000u);
}
HADAL_INLINE Ints pair_of_signed_bytes(Ints x, int second) {
  return sign_extend_high_bytes(shuffle_words(x, second != 0 ? 0x03800280u : 0x01800080u));
}

// ---- Blocks of 32, a sub-block each -------------------------------------------------------------

// The low nibbles of four words, then the high ones.
template <class Sink, class Map>
HADAL_INLINE void add_nibbles(const Ints* t, Sink& sink, Map&& map) {
  HADAL_UNROLL
  for (int i = 0; i < 4; ++i) sink.add(i, map(i, low_nibbles_of(t[i])));
  HADAL_UNROLL
  for (int i = 0; i < 4; ++i) sink.add(4 + i, map(4 + i, high_nibbles_of(t[i])));
}
HADAL_INLINE Ints as_it_is(int, Ints x) { return x; }

// Word i of the levels of a block, with bits 4 * i to 4 * i + 3 of `high` as bit 4 of its bytes.
HADAL_INLINE Ints with_fifth_bits(Ints levels, Ints high, int i) {
  const Ints byte = shuffle_words(high, static_cast<uint32_t>(i / 2) * 0x01010101u);
  return add_where_bits(levels, byte, i % 2 == 0 ? 0x08040201u : 0x80402010u, 0x10);
}

struct Int8Q4_0 : Int8Shape<32, Mins::kNone, false, 15, 3> {
  using Block = Q4_0;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int s, Sink& sink) {
    Ints t[4];
    load_4_words(rows, b + 2, t);
    sink.begin(s);
    add_nibbles(t, sink, as_it_is);
    sink.end(s, load_f16(rows, b));
  }
};

struct Int8Q4_1 : Int8Shape<32, Mins::kFloat, false, 15> {
  using Block = Q4_1;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int s, Sink& sink) {
    Ints t[4];
    load_4_words(rows, b + 4, t);
    const Ints scales = load_word(rows, b);
    sink.begin(s);
    add_nibbles(t, sink, as_it_is);
    sink.end(s, low_f16(scales));
    sink.float_min(s, mul_rows(high_f16(scales), broadcast_row(-1.0f)));
  }
};

struct Int8Q5_0 : Int8Shape<32, Mins::kNone, false, 31, 4> {
  using Block = Q5_0;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int s, Sink& sink) {
    Ints t[4];
    load_4_words(rows, b + 6, t);
    const Ints high = load_word(rows, b + 2);
    sink.begin(s);
    add_nibbles(t, sink,
                [high](int i, Ints x) HADAL_LAMBDA { return with_fifth_bits(x, high, i); });
    sink.end(s, load_f16(rows, b));
  }
};

struct Int8Q5_1 : Int8Shape<32, Mins::kFloat, false, 31> {
  using Block = Q5_1;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int s, Sink& sink) {
    Ints t[4];
    load_4_words(rows, b + 8, t);
    const Ints scales = load_word(rows, b), high = load_word(rows, b + 4);
    sink.begin(s);
    add_nibbles(t, sink,
                [high](int i, Ints x) HADAL_LAMBDA { return with_fifth_bits(x, high, i); });
    sink.end(s, low_f16(scales));
    sink.float_min(s, mul_rows(high_f16(scales), broadcast_row(-1.0f)));
  }
};

struct Int8Q8_0 : Int8Shape<32, Mins::kNone, true, 128> {
  using Block = Q8_0;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int s, Sink& sink) {
    Ints t[8];
    load_8_words(rows, b + 2, t);
    sink.begin(s);
    HADAL_UNROLL
    for (int i = 0; i < 8; ++i) sink.add(i, t[i]);
    sink.end(s, load_f16(rows, b));
  }
};

struct Int8Iq4Nl : Int8Shape<32, Mins::kNone, true, 127> {
  using Block = Iq4Nl;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int s, Sink& sink) {
    Ints t[4];
    load_4_words(rows, b + 2, t);
    sink.begin(s);
    add_nibbles(t, sink, [](int, Ints x) HADAL_LAMBDA { return look_up_bytes(kIq4Levels, x); });
    sink.end(s, load_f16(rows, b));
  }
};

struct Int8Mxfp4 : Int8Shape<32, Mins::kNone, true, 12> {
  using Block = Mxfp4;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int s, Sink& sink) {
    Ints t[4];
    load_4_words(rows, b + 1, t);
    const Ints e = and_ints(load_half(rows, b), 0xff);
    // Exponents 0 and 1 are below the normal numbers.
    const Ints small = add_ints(broadcast_int(0x00200000), mul_ints(e, 0x00200000u));
    const Ints normal = shift_ints_left(add_ints(e, broadcast_int(-1)), 23);
    sink.begin(s);
    add_nibbles(t, sink, [](int, Ints x) HADAL_LAMBDA { return look_up_bytes(kE2m1Twice, x); });
    sink.end(s, as_floats(where_below(e, 2, small, normal)));
  }
};

// ---- Blocks of 256 ------------------------------------------------------------------------------

// A level times its scale, both short, is short too: one sub-block, with scales of its own only for
// the mins.
struct Int8Q2K : Int8Shape<256, Mins::kIntOf16, false, 45> {
  using Block = Q2K;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    Ints header[4];
    load_4_words(rows, b, header);
    sink.begin(0);
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      Ints t[8];
      load_8_words(rows, b + 16 + 32 * half, t);
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const int k = 8 * half + j;
        // The scale in both halves of every word: no product of two bits by four leaves its byte.
        const Ints scale = shuffle_words(low_nibbles_of(header[k / 4]),
                                         0x80008000u | static_cast<uint32_t>(k % 4 * 0x00010001));
        HADAL_UNROLL
        for (int i = 0; i < 4; ++i) {
          const Ints levels = and_ints(shift_ints_right(t[j % 2 * 4 + i], j / 2 * 2), 0x03030303u);
          sink.add(4 * k + i, mul_halves(levels, scale));
        }
      }
    }
    const Ints scales = load_word(rows, b + 80);
    sink.end(0, low_f16(scales));
    HADAL_UNROLL
    for (int i = 0; i < 8; ++i)
      sink.int_mins(i, pair_of_bytes(high_nibbles_of(header[i / 2]), i % 2));
    sink.min_scale(mul_rows(high_f16(scales), broadcast_row(-1.0f)));
  }
};

struct Int8Q3KScales {
  RowFloats d;
  Ints scales[4];  // four bytes each

  HADAL_INLINE Int8Q3KScales(const Rows& rows, int64_t b) {
    // The scales are bytes 96 to 107 and the last of the block d: read from 94 on.
    Ints w[4];
    load_4_words(rows, b + 94, w);
    const auto word = [&w](int i) HADAL_LAMBDA {
      return or_ints(shift_ints_right(w[i], 16), shift_ints_left(w[i + 1], 16));
    };
    const Ints low = word(0), more = word(1), top = word(2);
    d = high_f16(w[3]);
    const auto six_bits = [top](Ints four, int i) HADAL_LAMBDA {
      const Ints two = and_ints(shift_ints_right(top, 2 * i), 0x03030303u);
      return add_to_bytes(or_ints(four, shift_ints_left(two, 4)), -32);
    };
    scales[0] = six_bits(low_nibbles_of(low), 0);
    scales[1] = six_bits(low_nibbles_of(more), 1);
    scales[2] = six_bits(high_nibbles_of(low), 2);
    scales[3] = six_bits(high_nibbles_of(more), 3);
  }
};
// give(k, i, levels): word i of sub-block k, levels 0 to 7; begin(k) before the first.
template <class Begin, class Give>
HADAL_INLINE void q3_k_levels(const Rows& rows, int64_t b, Begin&& begin, Give&& give) {
  Ints high[8];
  load_8_words(rows, b, high);
  HADAL_UNROLL
  for (int half = 0; half < 2; ++half) {
    Ints t[8];
    load_8_words(rows, b + 32 + 32 * half, t);
    HADAL_UNROLL
    for (int j = 0; j < 8; ++j) {
      const int k = 8 * half + j, bit = k / 2;
      begin(k);
      HADAL_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int word_of_16 = j % 2 * 4 + i;
        const Ints moved = bit < 2 ? shift_ints_left(high[word_of_16], 2 - bit)
                                   : shift_ints_right(high[word_of_16], bit - 2);
        give(k, i,
             or_ints(and_ints(shift_ints_right(t[word_of_16], j / 2 * 2), 0x03030303u),
                     and_ints(moved, 0x04040404u)));
      }
    }
  }
}

// Two ways to the same whole numbers. A level of -4 to 3 times a scale of -32 to 31 fits into a
// byte, if its sign is turned: one sub-block, as of q2_k. It pays where products are of bytes.
struct Int8Q3KOfProducts : Int8Shape<256, Mins::kNone, false, 255, 7> {
  using Block = Q3K;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const Int8Q3KScales q(rows, b);
    // (level - 4) * -scale + 128 = level * -scale + (4 * scale + 128), two bytes at once: what the
    // one with the smaller place borrows from the other, the second term gives back.
    Ints minus[4], more[4];
    HADAL_UNROLL
    for (int i = 0; i < 4; ++i) {
      minus[i] = sub_bytes(broadcast_int(0), q.scales[i]);
      const Ints twice = add_bytes_of(q.scales[i], q.scales[i]);
      more[i] = add_to_bytes(add_bytes_of(twice, twice), -128);
    }
    Ints by, plus;
    sink.begin(0);
    q3_k_levels(
        rows, b,
        [&](int k) HADAL_LAMBDA {
          const auto place = static_cast<uint32_t>(k % 4);
          by = sign_extend_high_bytes(
              shuffle_words(minus[k / 4], 0x00800080u + place * 0x01000100u));
          plus = shuffle_words(more[k / 4], place * 0x01010101u);
        },
        [&](int k, int i, Ints levels)
            HADAL_LAMBDA { sink.add(4 * k + i, add_halves(mul_halves(levels, by), plus)); });
    sink.end(0, mul_rows(q.d, broadcast_row(-1.0f)));
  }
};
struct Int8Q3KOfLevels : Int8Shape<16, Mins::kNone, false, 7, 2, true> {
  using Block = Q3K;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const Int8Q3KScales q(rows, b);
    q3_k_levels(
        rows, b, [&](int k) HADAL_LAMBDA { sink.begin(k); },
        [&](int k, int i, Ints levels) HADAL_LAMBDA {
          sink.add(i, levels);
          if (i == 3) sink.int_end(k, signed_byte(q.scales[k / 4], k % 4));
        });
    sink.block_scale(q.d);
  }
};
template <bool>
struct Int8Q3KOf {
  using Format = Int8Q3KOfProducts;
};
template <>
struct Int8Q3KOf<false> {
  using Format = Int8Q3KOfLevels;
};
using Int8Q3K = Int8Q3KOf<(kSignedOffsetShift >= 0)>::Format;

// The head of q4_k and q5_k: d, dmin, eight scales and eight mins of six bits.
struct Int8Head {
  RowFloats d, dmin;
  Ints scales[2], mins[2];

  HADAL_INLINE Int8Head(const Rows& rows, int64_t b) {
    Ints w[4];
    load_4_words(rows, b, w);
    d = low_f16(w[0]);
    dmin = high_f16(w[0]);
    const auto high = [](Ints four, Ints two) HADAL_LAMBDA {
      return or_ints(four, and_ints(shift_ints_right(two, 2), 0x30303030u));
    };
    scales[0] = and_ints(w[1], 0x3f3f3f3fu);
    mins[0] = and_ints(w[2], 0x3f3f3f3fu);
    scales[1] = high(low_nibbles_of(w[3]), w[1]);
    mins[1] = high(high_nibbles_of(w[3]), w[2]);
  }
  HADAL_INLINE Ints int_scale(int s) const { return byte_of(scales[s / 4], s % 4); }
  HADAL_INLINE RowFloats scale(int s) const {
    return mul_rows(d, to_floats(byte_of(scales[s / 4], s % 4)));
  }
  template <class Sink>
  HADAL_INLINE void give_mins(Sink& sink) const {
    HADAL_UNROLL
    for (int i = 0; i < 4; ++i) sink.int_mins(i, pair_of_bytes(mins[i / 2], i % 2));
    sink.min_scale(mul_rows(dmin, broadcast_row(-1.0f)));
  }
};

struct Int8Q4K : Int8Shape<32, Mins::kIntOf32, false, 15, -1, true> {
  using Block = Q4K;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const Int8Head head(rows, b);
    HADAL_UNROLL
    for (int s = 0; s < 8; s += 2) {
      Ints t[8];
      load_8_words(rows, b + 16 + 16 * s, t);
      sink.begin(s);
      HADAL_UNROLL
      for (int i = 0; i < 8; ++i) sink.add(i, low_nibbles_of(t[i]));
      sink.int_end(s, head.int_scale(s));
      sink.begin(s + 1);
      HADAL_UNROLL
      for (int i = 0; i < 8; ++i) sink.add(i, high_nibbles_of(t[i]));
      sink.int_end(s + 1, head.int_scale(s + 1));
    }
    sink.block_scale(head.d);
    head.give_mins(sink);
  }
};

struct Int8Q5K : Int8Shape<32, Mins::kIntOf32, false, 31, -1, true> {
  using Block = Q5K;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const Int8Head head(rows, b);
    Ints high[8];
    load_8_words(rows, b + 16, high);
    HADAL_UNROLL
    for (int pair = 0; pair < 4; ++pair) {
      Ints t[8];
      load_8_words(rows, b + 48 + 32 * pair, t);
      HADAL_UNROLL
      for (int s = 2 * pair; s < 2 * pair + 2; ++s) {
        sink.begin(s);
        HADAL_UNROLL
        for (int i = 0; i < 8; ++i) {
          const Ints low = s % 2 == 0 ? low_nibbles_of(t[i]) : high_nibbles_of(t[i]);
          const Ints bit =
              s < 4 ? shift_ints_left(high[i], 4 - s) : shift_ints_right(high[i], s - 4);
          sink.add(i, or_ints(low, and_ints(bit, 0x10101010u)));
        }
        sink.int_end(s, head.int_scale(s));
      }
    }
    sink.block_scale(head.d);
    head.give_mins(sink);
  }
};

struct Int8Q6K : Int8Shape<16, Mins::kIntOf16, false, 63, -1, true> {
  using Block = Q6K;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    Ints scales[4];
    load_4_words(rows, b + 192, scales);
    const RowFloats d = load_f16(rows, b + 208);
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      Ints low[16], high[8];
      load_8_words(rows, b + 64 * half, low);
      load_8_words(rows, b + 64 * half + 32, low + 8);
      load_8_words(rows, b + 128 + 32 * half, high);
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const int quarter = j / 2, k = 8 * half + j;
        sink.begin(k);
        HADAL_UNROLL
        for (int i = 0; i < 4; ++i) {
          const int w = j % 2 * 4 + i;
          const Ints four = low[quarter % 2 * 8 + w];
          const Ints two = quarter < 2 ? shift_ints_left(high[w], 4 - 2 * quarter)
                                       : shift_ints_right(high[w], 2 * quarter - 4);
          sink.add(i, or_ints(quarter < 2 ? low_nibbles_of(four) : high_nibbles_of(four),
                              and_ints(two, 0x30303030u)));
        }
        sink.int_end(k, signed_byte(scales[k / 4], k % 4));
      }
    }
    sink.block_scale(d);
    HADAL_UNROLL
    for (int i = 0; i < 8; ++i) sink.int_mins(i, pair_of_signed_bytes(scales[i / 2], i % 2));
    sink.min_scale(mul_rows(d, broadcast_row(-32.0f)));
  }
};

struct Int8Iq4Xs : Int8Shape<32, Mins::kNone, true, 127, -1, true> {
  using Block = Iq4Xs;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const Ints head = load_word(rows, b), low = load_word(rows, b + 4);
    const RowFloats d = low_f16(head);
    HADAL_UNROLL
    for (int s = 0; s < 8; s += 2) {
      Ints t[8];
      load_8_words(rows, b + 8 + 16 * s, t);
      HADAL_UNROLL
      for (int j = 0; j < 2; ++j) {
        const int k = s + j;
        sink.begin(k);
        add_nibbles(t + 4 * j, sink,
                    [](int, Ints x) HADAL_LAMBDA { return look_up_bytes(kIq4Levels, x); });
        const Ints two = and_ints(shift_ints_right(head, 16 + 2 * k), 3);
        const Ints six =
            or_ints(and_ints(shift_ints_right(low, 4 * k), 15), shift_ints_left(two, 4));
        sink.int_end(k, add_ints(six, broadcast_int(-32)));
      }
    }
    sink.block_scale(d);
  }
};

}  // namespace
