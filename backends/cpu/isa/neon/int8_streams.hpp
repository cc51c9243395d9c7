// Rows of a weight times one row of x, in 8 bits, each row gone through from its beginning to its
// end: what isa/int8_streams.hpp is to AVX2 and AVX-512, and in an order of sums of its own too.
// Here products are of bytes with signs, so a level is taken with its offset; and a register has no
// more than the columns of a sub-block, whose scale is then one number.
// Layouts: lib/tensor/block_formats_*.cpp.
#pragma once

#include "backends/cpu/isa/int8_formats.hpp"
#include "backends/cpu/kernels.hpp"

namespace {

using hadal::cpu::Int8RowProduct;
using hadal::cpu::Int8Stretch;
using hadal::cpu::kStretch;

// What a row comes to, once everything is added up: two sums, so that neither is waited for.
struct RowSum {
  float32x4_t many[2] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
  float mins = 0.0f;
};

HADAL_INLINE uint64_t load_u64(const uint8_t* p) {
  uint64_t x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
HADAL_INLINE Bytes bits_of(Bytes x, int from, int mask) {
  return (x >> static_cast<uint8_t>(from)) & vdupq_n_u8(static_cast<uint8_t>(mask));
}
// Levels less an offset.
HADAL_INLINE int8x16_t levels_of(Bytes x, int offset = 0) {
  return vsubq_s8(vreinterpretq_s8_u8(x), vdupq_n_s8(static_cast<int8_t>(offset)));
}
// Sixteen columns of x, and thirty-two, times levels.
HADAL_INLINE Ints dot_of_16(int8x16_t w, const Int8Stretch& x, int i) {
  return add_dot(vdupq_n_s32(0), w, vld1q_s8(x.levels + 16 * i));
}
HADAL_INLINE Ints dot_of_32(int8x16_t low, int8x16_t high, const Int8Stretch& x, int i) {
  return add_dot(dot_of_16(low, x, 2 * i), high, vld1q_s8(x.levels + 32 * i + 16));
}

// ---- Blocks of 32 -------------------------------------------------------------------------------
//   levels(b, w): the levels of a block, sixteen columns each
//   scale(b), min(b): a weight is level * scale + min

template <class Format>
struct Stream;

struct StreamOf32s {
  static constexpr bool kHasMins = false;
  HADAL_INLINE static float scale(const uint8_t* b) { return from_f16(b); }
};
HADAL_INLINE void nibble_levels(const uint8_t* qs, int offset, int8x16_t* w) {
  const Bytes x = load_bytes(qs);
  w[0] = levels_of(bits_of(x, 0, 15), offset);
  w[1] = levels_of(bits_of(x, 4, 15), offset);
}
HADAL_INLINE void nibble_levels_and_bits(const uint8_t* qs, uint32_t high, int offset,
                                         int8x16_t* w) {
  const Bytes x = load_bytes(qs);
  w[0] = levels_of(or_bytes(bits_of(x, 0, 15), spread_bits(high & 0xffff, 16)), offset);
  w[1] = levels_of(or_bytes(bits_of(x, 4, 15), spread_bits(high >> 16, 16)), offset);
}
HADAL_INLINE void book_levels(const int8_t* book, const uint8_t* qs, int8x16_t* w) {
  const Bytes x = load_bytes(qs);
  w[0] = levels_of(look_up(book, bits_of(x, 0, 15)));
  w[1] = levels_of(look_up(book, bits_of(x, 4, 15)));
}

template <>
struct Stream<Int8Q4_0> : StreamOf32s {
  HADAL_INLINE static void levels(const uint8_t* b, int8x16_t* w) { nibble_levels(b + 2, 8, w); }
};
template <>
struct Stream<Int8Q4_1> : StreamOf32s {
  static constexpr bool kHasMins = true;
  HADAL_INLINE static void levels(const uint8_t* b, int8x16_t* w) { nibble_levels(b + 4, 0, w); }
  HADAL_INLINE static float min(const uint8_t* b) { return from_f16(b + 2); }
};
template <>
struct Stream<Int8Q5_0> : StreamOf32s {
  HADAL_INLINE static void levels(const uint8_t* b, int8x16_t* w) {
    nibble_levels_and_bits(b + 6, load_u32(b + 2), 16, w);
  }
};
template <>
struct Stream<Int8Q5_1> : StreamOf32s {
  static constexpr bool kHasMins = true;
  HADAL_INLINE static void levels(const uint8_t* b, int8x16_t* w) {
    nibble_levels_and_bits(b + 8, load_u32(b + 4), 0, w);
  }
  HADAL_INLINE static float min(const uint8_t* b) { return from_f16(b + 2); }
};
template <>
struct Stream<Int8Q8_0> : StreamOf32s {
  HADAL_INLINE static void levels(const uint8_t* b, int8x16_t* w) {
    w[0] = levels_of(load_bytes(b + 2));
    w[1] = levels_of(load_bytes(b + 18));
  }
};
template <>
struct Stream<Int8Iq4Nl> : StreamOf32s {
  HADAL_INLINE static void levels(const uint8_t* b, int8x16_t* w) {
    book_levels(kIq4Levels, b + 2, w);
  }
};
template <>
struct Stream<Int8Mxfp4> : StreamOf32s {
  HADAL_INLINE static void levels(const uint8_t* b, int8x16_t* w) {
    book_levels(kE2m1Twice, b + 1, w);
  }
  // 2^(e - 128); exponents 0 and 1 are below the normal numbers.
  HADAL_INLINE static float scale(const uint8_t* b) {
    const uint32_t e = b[0];
    return float_from_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  }
};

template <class Format>
HADAL_INLINE void add_blocks_of_32(const uint8_t* b, const Int8Stretch& x, int n_blocks,
                                   RowSum& sum) {
  using S = Stream<Format>;
  HADAL_UNROLL
  for (int s = 0; s < n_blocks; ++s, b += Format::Block::kSize) {
    int8x16_t w[2];
    S::levels(b, w);
    const Ints dot = dot_of_32(w[0], w[1], x, s);
    float32x4_t& many = sum.many[s % 2];
    many = vfmaq_n_f32(many, vcvtq_f32_s32(dot), S::scale(b) * x.scale);
    if constexpr (S::kHasMins)
      sum.mins += S::min(b) * x.scale * static_cast<float>(x.sums_of_32[s]);
  }
}

// ---- Blocks of 256 ------------------------------------------------------------------------------
// Scales that are whole numbers, and one for them all: what a block comes to is whole too.
//   add_block(b, x, sum)

struct WholeSum {
  Ints two[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};

  HADAL_INLINE void add(int s, Ints dot, int32_t scale) {
    two[s % 2] = vmlaq_n_s32(two[s % 2], dot, scale);
  }
  HADAL_INLINE void give_to(RowSum& sum, float scale) const {
    sum.many[0] = vfmaq_n_f32(sum.many[0], vcvtq_f32_s32(vaddq_s32(two[0], two[1])), scale);
  }
};

// Mins that are whole numbers, of 8 sub-blocks, times the sums of x.
HADAL_INLINE Ints add_mins(Ints sum, uint8x8_t mins, const int16_t* sums_of_x) {
  const int16x8_t m = vreinterpretq_s16_u16(vmovl_u8(mins)), x = vld1q_s16(sums_of_x);
  return vmlal_high_s16(vmlal_s16(sum, vget_low_s16(m), vget_low_s16(x)), m, x);
}
HADAL_INLINE void subtract_mins(RowSum& sum, Ints mins, float scale) {
  sum.many[1] = vfmsq_n_f32(sum.many[1], vcvtq_f32_s32(mins), scale);
}

template <>
struct Stream<Int8Q2K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    const Bytes header = load_bytes(b), mins = bits_of(header, 4, 15);
    uint8_t scales[16];
    vst1q_u8(scales, bits_of(header, 0, 15));
    WholeSum whole;
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      const Bytes q[2] = {load_bytes(b + 16 + 32 * half), load_bytes(b + 32 + 32 * half)};
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const int k = 8 * half + j;
        whole.add(k, dot_of_16(levels_of(bits_of(q[j % 2], j / 2 * 2, 3)), x, k), scales[k]);
      }
    }
    whole.give_to(sum, from_f16(b + 80) * x.scale);
    const Ints first = add_mins(vdupq_n_s32(0), vget_low_u8(mins), x.sums_of_16);
    const Ints all = add_mins(first, vget_high_u8(mins), x.sums_of_16 + 8);
    subtract_mins(sum, all, from_f16(b + 82) * x.scale);
  }
};

template <>
struct Stream<Int8Q3K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    constexpr uint64_t kFour = 0x0f0f0f0f0f0f0f0f, kTwo = 0x0303030303030303;
    const uint64_t nibbles = load_u64(b + 96), top = load_u32(b + 104);
    const uint64_t first = (nibbles & kFour) | ((top | top << 30) & kTwo) << 4;
    const uint64_t last = (nibbles >> 4 & kFour) | ((top >> 4 | top >> 6 << 32) & kTwo) << 4;
    int8_t scales[16];
    vst1q_s8(scales, levels_of(vcombine_u8(vcreate_u8(first), vcreate_u8(last)), 32));
    const Bytes high[2] = {load_bytes(b), load_bytes(b + 16)}, four = vdupq_n_u8(4);
    WholeSum whole;
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      const Bytes q[2] = {load_bytes(b + 32 + 32 * half), load_bytes(b + 48 + 32 * half)};
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const int k = 8 * half + j;
        // The level is 4 less where its third bit is not set.
        const Bytes is_high = vtstq_u8(high[k % 2], vdupq_n_u8(static_cast<uint8_t>(1 << k / 2)));
        const Bytes level = vsubq_u8(bits_of(q[j % 2], j / 2 * 2, 3), vbicq_u8(four, is_high));
        whole.add(k, dot_of_16(levels_of(level), x, k), scales[k]);
      }
    }
    whole.give_to(sum, from_f16(b + 108) * x.scale);
  }
};

// The head of q4_k and q5_k: d, dmin, eight scales and eight mins of six bits.
struct StreamHead {
  uint8_t scales[8];
  uint8x8_t mins;

  HADAL_INLINE explicit StreamHead(const uint8_t* b) {
    // Scales in the low words, mins in the high ones: the first four of both, then the others.
    const uint64_t six = load_u64(b + 4), four = load_u32(b + 12);
    const uint64_t first = six & 0x3f3f3f3f3f3f3f3f;
    const uint64_t last =
        ((four | four << 28) & 0x0f0f0f0f0f0f0f0f) | (six >> 2 & 0x3030303030303030);
    const uint32x2_t a = vcreate_u32(first), z = vcreate_u32(last);
    vst1_u8(scales, vreinterpret_u8_u32(vzip1_u32(a, z)));
    mins = vreinterpret_u8_u32(vzip2_u32(a, z));
  }
};
// with_high(s, i, nibbles): the levels of columns 16 * i on of sub-block s.
template <class WithHigh>
HADAL_INLINE void add_headed_block(const uint8_t* b, const uint8_t* qs, const Int8Stretch& x,
                                   RowSum& sum, WithHigh&& with_high) {
  const StreamHead head(b);
  WholeSum whole;
  HADAL_UNROLL
  for (int s = 0; s < 8; ++s) {
    const auto levels = [&](int i) HADAL_LAMBDA {
      const Bytes q = load_bytes(qs + s / 2 * 32 + 16 * i);
      return levels_of(with_high(s, i, bits_of(q, s % 2 * 4, 15)));
    };
    whole.add(s, dot_of_32(levels(0), levels(1), x, s), head.scales[s]);
  }
  whole.give_to(sum, from_f16(b) * x.scale);
  subtract_mins(sum, add_mins(vdupq_n_s32(0), head.mins, x.sums_of_32), from_f16(b + 2) * x.scale);
}
template <>
struct Stream<Int8Q4K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    add_headed_block(b, b + 16, x, sum, [](int, int, Bytes q) HADAL_LAMBDA { return q; });
  }
};
template <>
struct Stream<Int8Q5K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    const Bytes high[2] = {load_bytes(b + 16), load_bytes(b + 32)};
    add_headed_block(b, b + 48, x, sum, [&high](int s, int i, Bytes q) HADAL_LAMBDA {
      return or_bytes(q, where_bit(high[i], s, 16));
    });
  }
};

template <>
struct Stream<Int8Q6K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    WholeSum whole;
    HADAL_UNROLL
    for (int half = 0; half < 2; ++half) {
      HADAL_UNROLL
      for (int j = 0; j < 8; ++j) {
        const int quarter = j / 2, k = 8 * half + j;
        const Bytes four = load_bytes(b + 64 * half + quarter % 2 * 32 + j % 2 * 16);
        const Bytes two = load_bytes(b + 128 + 32 * half + j % 2 * 16);
        const Bytes level = or_bytes(bits_of(four, quarter / 2 * 4, 15),
                                     bits_of(two, 2 * quarter, 3) << uint8_t{4});
        whole.add(k, dot_of_16(levels_of(level, 32), x, k), static_cast<int8_t>(b[192 + k]));
      }
    }
    whole.give_to(sum, from_f16(b + 208) * x.scale);
  }
};

template <>
struct Stream<Int8Iq4Xs> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    const uint32_t high = load_u32(b) >> 16, low = load_u32(b + 4);
    WholeSum whole;
    HADAL_UNROLL
    for (int s = 0; s < 8; ++s) {
      int8x16_t w[2];
      book_levels(kIq4Levels, b + 8 + 16 * s, w);
      const uint32_t six = (low >> 4 * s & 15) | (high >> 2 * s & 3) << 4;
      whole.add(s, dot_of_32(w[0], w[1], x, s), static_cast<int32_t>(six) - 32);
    }
    whole.give_to(sum, from_f16(b) * x.scale);
  }
};

// ---- Rows ---------------------------------------------------------------------------------------

template <class Format>
concept IsStreamedByBlocks = requires(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
  Stream<Format>::add_block(b, x, sum);
};
template <class Format>
concept IsStreamedByLines = requires(const uint8_t* b, int8x16_t* w) {
  Stream<Format>::levels(b, w);
};

// How far ahead of what is multiplied memory is asked for. The processor's own guessing begins anew
// at every jump, and there is one from each matrix of an expert to the next.
constexpr int64_t kBytesAhead = 4096;

template <class Format>
void int8_stream_rows(const Int8RowProduct& p) {
  using Block = typename Format::Block;
  constexpr int kBlocks = kStretch / Block::kElements;
  constexpr int64_t kBytes = int64_t{kBlocks} * Block::kSize;
  const int64_t rows_ahead = (kBytesAhead + p.w_stride_bytes - 1) / p.w_stride_bytes;
  for (int64_t r = 0; r < p.n_w; ++r) {
    const uint8_t* w = p.w + r * p.w_stride_bytes;
    const int64_t beyond = r + rows_ahead - p.n_w;
    const uint8_t* ahead =
        beyond < 0 ? w + rows_ahead * p.w_stride_bytes : p.next + beyond * p.w_stride_bytes;
    const Int8Stretch* x = p.x;
    RowSum sum;
    for (int64_t left = p.k; left > 0; left -= kStretch, w += kBytes, ahead += kBytes, ++x) {
      for (int64_t i = 0; i < kBytes; i += 64) __builtin_prefetch(ahead + i, 0, 2);
      if constexpr (IsStreamedByBlocks<Format>) {
        Stream<Format>::add_block(w, *x, sum);
      } else if (left >= kStretch) {
        add_blocks_of_32<Format>(w, *x, kBlocks, sum);
      } else {
        add_blocks_of_32<Format>(w, *x, static_cast<int>(left / Block::kElements), sum);
      }
    }
    p.out[r] = vaddvq_f32(vaddq_f32(sum.many[0], sum.many[1])) + sum.mins;
  }
}

}  // namespace
