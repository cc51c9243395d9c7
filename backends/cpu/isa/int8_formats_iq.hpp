// The formats out of code books for products in 8 bits: int8_formats.hpp says how, look_up_8s() and
// look_up_4s() of int8_books.hpp find the entries. Layouts: lib/tensor/block_formats_iq.cpp.
#pragma once

#include "backends/cpu/isa/int8_formats.hpp"

namespace {

constexpr int8_t kOddNibbles[16] = {0,    -128, -128, 0,    -128, 0,    0,    -128,
                                    -128, 0,    0,    -128, 0,    -128, -128, 0};

// Seven signs in every byte; the eighth makes the number of negative ones even.
HADAL_INLINE Ints with_eighth_signs(Ints sevens) {
  const Ints folded = low_nibbles_of(xor_ints(sevens, shift_halves_right(sevens, 4)));
  return or_ints(sevens, look_up_bytes(kOddNibbles, folded));
}
// The low 28 bits of every word, seven to a byte.
HADAL_INLINE Ints sevens_to_bytes(Ints x) {
  const Ints fourteens = select_bits(0x0000ffffu, x, shift_ints_left(x, 2));
  return and_ints(select_bits(0x00ff00ffu, fourteens, shift_ints_left(fourteens, 1)), 0x7f7f7f7fu);
}
// Two numbers of more than eight bits: the even bytes of every word, or the odd ones, with what is
// above them in the halves of `high`.
HADAL_INLINE Ints even_numbers(Ints low, Ints high) { return select_bits(0x00ff00ffu, low, high); }
HADAL_INLINE Ints odd_numbers(Ints low, Ints high) {
  return select_bits(0x00ff00ffu, shift_ints_right(low, 8), high);
}
// One half of every word in both.
HADAL_INLINE Ints half_twice(Ints x, int half) {
  return shuffle_words(x, half == 0 ? 0x01000100u : 0x03020302u);
}
// One byte of every word as both halves.
HADAL_INLINE Ints byte_twice(Ints x, int i) {
  return shuffle_words(x, 0x80008000u | (static_cast<uint32_t>(i) * 0x00010001u));
}
// Two halves, each shifted left by its factor; bits that leave the half are lost.
HADAL_INLINE Ints mul_by_halves(Ints x, int low, int high) {
  return mul_halves(x, broadcast_int(low | high << 16));
}
// d * (2 * s + 1) of scales s of so many bits; d is given once and doubled.
HADAL_INLINE RowFloats odd_scale(RowFloats d, RowFloats d_twice, Ints x, int from, uint32_t mask) {
  return fma_rows(to_floats(and_ints(shift_ints_right(x, from), mask)), d_twice, d);
}
HADAL_INLINE RowFloats twice(RowFloats x) { return mul_rows(x, broadcast_row(2.0f)); }

template <class Sink>
HADAL_INLINE void add_words(const Ints* w, int n, Sink& sink) {
  HADAL_UNROLL
  for (int i = 0; i < n; ++i) sink.add(i, w[i]);
}

struct Int8Iq2Xxs : Int8Shape<32, Mins::kNone, false, 107, 6> {
  using Block = Iq2Xxs;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const RowFloats d = mul_rows(load_f16(rows, b), broadcast_row(0.125f)), d_twice = twice(d);
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      Ints t[8];
      load_8_words(rows, b + 2 + 32 * half, t);
      // All signs first, here and below: their latencies pass side by side.
      Ints signs[4];
      HADAL_UNROLL
      for (int i = 0; i < 4; ++i) signs[i] = with_eighth_signs(sevens_to_bytes(t[2 * i + 1]));
      HADAL_UNROLL
      for (int i = 0; i < 4; ++i) {
        const Ints codes = t[2 * i], a = t[2 * i + 1];
        Ints w[8];
        look_up_signed_8s(kIqBooks.iq2_xxs, codes, signs[i], 0, 2, w, w + 4);
        look_up_signed_8s(kIqBooks.iq2_xxs, shift_halves_right(codes, 8), signs[i], 1, 3, w + 2,
                          w + 6);
        const int s = 4 * half + i;
        sink.begin(s);
        add_words(w, 8, sink);
        sink.end(s, odd_scale(d, d_twice, a, 28, 15));
      }
    }
  }
};

struct Int8Iq2Xs : Int8Shape<16, Mins::kNone, false, 107, 6> {
  using Block = Iq2Xs;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const RowFloats d = mul_rows(load_f16(rows, b), broadcast_row(0.125f)), d_twice = twice(d);
    Ints tail[4];  // whose last two words are the scales
    load_4_words(rows, b + 58, tail);
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      Ints t[8];
      load_8_words(rows, b + 2 + 32 * half, t);
      Ints signs[8];
      HADAL_UNROLL
      for (int i = 0; i < 8; ++i) signs[i] = with_eighth_signs(shift_halves_right(t[i], 9));
      HADAL_UNROLL
      for (int i = 0; i < 8; ++i) {
        const int s = 8 * half + i;
        Ints w[4];
        look_up_signed_8s(kIqBooks.iq2_xs, t[i], signs[i], 0, 2, w, w + 2);
        sink.begin(s);
        add_words(w, 4, sink);
        sink.end(s, odd_scale(d, d_twice, tail[2 + half], 4 * i, 15));
      }
    }
  }
};

struct Int8Iq2S : Int8Shape<16, Mins::kNone, false, 107, 6> {
  using Block = Iq2S;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const RowFloats d = mul_rows(load_f16(rows, b), broadcast_row(0.125f)), d_twice = twice(d);
    Ints low[8], signs[8], tail[4];  // two words of high bits, two of scales
    load_8_words(rows, b + 2, low);
    load_8_words(rows, b + 34, signs);
    load_4_words(rows, b + 66, tail);
    HADAL_UNROLL
    for (int i = 0; i < 8; ++i) {
      const Ints high = byte_twice(tail[i / 4], i % 4);
      const Ints even = mul_by_halves(high, 256, 16);
      const Ints odd = mul_by_halves(high, 64, 4);
      Ints w[8];
      look_up_signed_8s(kIqBooks.iq2_s, even_numbers(low[i], even), signs[i], 0, 2, w, w + 4);
      look_up_signed_8s(kIqBooks.iq2_s, odd_numbers(low[i], odd), signs[i], 1, 3, w + 2, w + 6);
      HADAL_UNROLL
      for (int s = 2 * i; s < 2 * i + 2; ++s) {
        sink.begin(s);
        add_words(w + s % 2 * 4, 4, sink);
        sink.end(s, odd_scale(d, d_twice, tail[2 + i / 4], s % 8 * 4, 15));
      }
    }
  }
};

struct Int8Iq3Xxs : Int8Shape<32, Mins::kNone, false, 126, 6> {
  using Block = Iq3Xxs;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const RowFloats d = mul_rows(load_f16(rows, b), broadcast_row(0.25f)), d_twice = twice(d);
    Ints a[8];
    load_8_words(rows, b + 66, a);
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      Ints t[8];
      load_8_words(rows, b + 2 + 32 * half, t);
      Ints signs[4];
      HADAL_UNROLL
      for (int i = 0; i < 4; ++i) signs[i] = with_eighth_signs(sevens_to_bytes(a[4 * half + i]));
      HADAL_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int s = 4 * half + i;
        Ints w[8];
        HADAL_UNROLL
        for (int j = 0; j < 8; j += 4) {
          const Ints codes = t[2 * i + j / 4];
          look_up_signed_4s(kIqBooks.iq3_xxs, codes, signs[i], j, j + 2, w + j, w + j + 2);
          look_up_signed_4s(kIqBooks.iq3_xxs, shift_halves_right(codes, 8), signs[i], j + 1, j + 3,
                            w + j + 1, w + j + 3);
        }
        sink.begin(s);
        add_words(w, 8, sink);
        sink.end(s, odd_scale(d, d_twice, a[s], 28, 15));
      }
    }
  }
};

struct Int8Iq3S : Int8Shape<32, Mins::kNone, false, 31, 4> {
  using Block = Iq3S;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const RowFloats d = load_f16(rows, b), d_twice = twice(d);
    Ints head[4], mid[4], tail[4];
    load_4_words(rows, b + 66, head);  // two words of high bits, then signs 0, 1
    load_4_words(rows, b + 82, mid);   // 2 to 5
    load_4_words(rows, b + 94, tail);  // 5, 6, 7, then the scales
    const Ints signs[8] = {head[2], head[3], mid[0], mid[1], mid[2], mid[3], tail[1], tail[2]};
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      Ints t[8];
      load_8_words(rows, b + 2 + 32 * half, t);
      HADAL_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int s = 4 * half + i;
        const Ints high = byte_twice(head[half], i);
        Ints w[8];
        HADAL_UNROLL
        for (int j = 0; j < 8; j += 4) {
          const Ints low = t[2 * i + j / 4];
          const Ints even = mul_by_halves(high, 256 >> j, 64 >> j);
          const Ints odd = mul_by_halves(high, 128 >> j, 32 >> j);
          look_up_signed_4s(kIqBooks.iq3_s, even_numbers(low, even), signs[s], j, j + 2, w + j,
                            w + j + 2);
          look_up_signed_4s(kIqBooks.iq3_s, odd_numbers(low, odd), signs[s], j + 1, j + 3,
                            w + j + 1, w + j + 3);
        }
        sink.begin(s);
        add_words(w, 8, sink);
        sink.end(s, odd_scale(d, d_twice, tail[3], 4 * s, 15));
      }
    }
  }
};

// Levels are 8 * (level + delta) + 16: see iq_books.hpp.
struct Int8Iq1S : Int8Shape<32, Mins::kNone, false, 25, 4> {
  using Block = Iq1S;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    const RowFloats d = mul_rows(load_f16(rows, b), broadcast_row(0.125f)), d_twice = twice(d);
    Ints low[8], tail[4];
    load_8_words(rows, b + 2, low);
    load_4_words(rows, b + 34, tail);
    HADAL_UNROLL
    for (int s = 0; s < 8; ++s) {
      const Ints h = half_twice(tail[s / 2], s % 2);
      const Ints even = mul_by_halves(h, 256, 4);
      const Ints odd = mul_by_halves(shift_ints_right(h, 1), 64, 1);
      Ints w[8];
      look_up_8s(kIqBooks.iq1, even_numbers(low[s], even), w, w + 4);
      look_up_8s(kIqBooks.iq1, odd_numbers(low[s], odd), w + 2, w + 6);
      const Ints delta = where_below(h, 0, broadcast_int(0x02020202), broadcast_int(0));
      sink.begin(s);
      HADAL_UNROLL
      for (int i = 0; i < 8; ++i) sink.add(i, sub_ints(w[i], delta));
      sink.end(s, odd_scale(d, d_twice, h, 28, 7));
    }
  }
};

struct Int8Iq1M : Int8Shape<16, Mins::kNone, false, 25, 4> {
  using Block = Iq1M;
  template <class Sink>
  HADAL_INLINE static void decode(const Rows& rows, int64_t b, int, Sink& sink) {
    Ints low[8], extra[4], tail[4];  // whose last two words are the scales
    load_8_words(rows, b, low);
    load_4_words(rows, b + 32, extra);
    load_4_words(rows, b + 40, tail);
    // The scale of the block is spread over the top bits of their halves.
    const Ints bits = or_ints(or_ints(and_ints(shift_ints_right(tail[2], 12), 0xfu),
                                      and_ints(shift_ints_right(tail[2], 24), 0xf0u)),
                              or_ints(and_ints(shift_ints_right(tail[3], 4), 0xf00u),
                                      and_ints(shift_ints_right(tail[3], 16), 0xf000u)));
    const RowFloats d = mul_rows(low_f16(bits), broadcast_row(0.125f)), d_twice = twice(d);
    HADAL_UNROLL
    for (int i = 0; i < 8; ++i) {
      // Four groups of eight: of each three bits of the number of its entry, then its delta.
      const Ints h = half_twice(extra[i / 2], i % 2);
      const Ints even = mul_by_halves(h, 256, 1);
      const Ints odd = mul_by_halves(shift_ints_right(h, 4), 256, 1);
      Ints w[8];
      look_up_8s(kIqBooks.iq1, even_numbers(low[i], even), w, w + 4);
      look_up_8s(kIqBooks.iq1, odd_numbers(low[i], odd), w + 2, w + 6);
      HADAL_UNROLL
      for (int half = 0; half < 2; ++half) {
        const Ints two = shuffle_words(h, half == 0 ? 0u : 0x01010101u);
        const int s = 2 * i + half;
        sink.begin(s);
        HADAL_UNROLL
        for (int j = 0; j < 2; ++j) {
          const Ints delta = and_ints(shift_ints_right(two, 2 + 4 * j), 0x02020202u);
          sink.add(2 * j, sub_ints(w[4 * half + 2 * j], delta));
          sink.add(2 * j + 1, sub_ints(w[4 * half + 2 * j + 1], delta));
        }
        sink.end(s, odd_scale(d, d_twice, tail[2 + s / 8], s / 4 % 2 * 16 + s % 4 * 3, 7));
      }
    }
  }
};

}  // namespace
