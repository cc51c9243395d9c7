// Rows of a weight times one row of x, in 8 bits, as fast as memory gives them: each row is gone
// through from its beginning to its end, and nothing in between keeps memory waiting. Hence the
// sums of a row stay in the lanes where they arise until the row is over: an order of their own,
// not the one of the other products (kernels.hpp).
// Layouts: lib/tensor/block_formats_*.cpp.
#pragma once

#include "backends/cpu/isa/int8_formats.hpp"
#include "backends/cpu/kernels.hpp"

namespace {

using hadal::cpu::Int8RowProduct;
using hadal::cpu::Int8Stretch;
using hadal::cpu::kStretch;

constexpr int kLines = kStretch / kLineCols;  // of a stretch

// The groups of 32 columns that line i has: where there are two, the first and the last.
constexpr int first_32(int i) { return i * (kLineCols / 32); }
constexpr int last_32(int i) { return first_32(i) + kLineCols / 32 - 1; }

HADAL_INLINE Ints line_of_x(const Int8Stretch& x, int i) {
  return load_ints(x.levels + i * kLineCols);
}

// What a row comes to.
struct RowSum {
  RowFloats many = broadcast_row(0.0f);
  __m256 eight = _mm256_setzero_ps();
};

// ---- Blocks of 32 -------------------------------------------------------------------------------
// A scale for every 32 columns: products of a line are whole numbers, then times the scales of the
// line.
//   line(b, i): the levels of line i of the stretch that begins at b
//   scales(b), mins(b): of its eight blocks; a weight is (level - kOffset) * scale + min

template <class Format>
struct Stream;

template <int size>
HADAL_INLINE Ints nibble_line(const uint8_t* b, int i, int offset) {
  return nibbles_of_blocks(b + offset, first_32(i) * size, last_32(i) * size);
}
// With the fifth bits of the columns.
template <int size>
HADAL_INLINE Ints nibble_line_and_bits(const uint8_t* b, int i, int offset, int bits) {
  return add_where_columns(nibble_line<size>(b, i, offset), load_u32(b + first_32(i) * size + bits),
                           load_u32(b + last_32(i) * size + bits), 16);
}

struct StreamOf32s {
  static constexpr bool kIsSigned = false, kHasMins = false;
  static constexpr int kOffset = 0;
};

template <>
struct Stream<Int8Q4_0> : StreamOf32s {
  static constexpr int kOffset = 8;
  HADAL_INLINE static Ints line(const uint8_t* b, int i) { return nibble_line<18>(b, i, 2); }
  HADAL_INLINE static __m256 scales(const uint8_t* b) { return load_eight_f16(b, 18); }
};
template <>
struct Stream<Int8Q4_1> : StreamOf32s {
  static constexpr bool kHasMins = true;
  HADAL_INLINE static Ints line(const uint8_t* b, int i) { return nibble_line<20>(b, i, 4); }
  HADAL_INLINE static __m256 scales(const uint8_t* b) { return load_eight_f16(b, 20); }
  HADAL_INLINE static __m256 mins(const uint8_t* b) { return load_eight_f16(b + 2, 20); }
};
template <>
struct Stream<Int8Q5_0> : StreamOf32s {
  static constexpr int kOffset = 16;
  HADAL_INLINE static Ints line(const uint8_t* b, int i) {
    return nibble_line_and_bits<22>(b, i, 6, 2);
  }
  HADAL_INLINE static __m256 scales(const uint8_t* b) { return load_eight_f16(b, 22); }
};
template <>
struct Stream<Int8Q5_1> : StreamOf32s {
  static constexpr bool kHasMins = true;
  HADAL_INLINE static Ints line(const uint8_t* b, int i) {
    return nibble_line_and_bits<24>(b, i, 8, 4);
  }
  HADAL_INLINE static __m256 scales(const uint8_t* b) { return load_eight_f16(b, 24); }
  HADAL_INLINE static __m256 mins(const uint8_t* b) { return load_eight_f16(b + 2, 24); }
};
template <>
struct Stream<Int8Q8_0> : StreamOf32s {
  static constexpr bool kIsSigned = true;
  HADAL_INLINE static Ints line(const uint8_t* b, int i) {
    return load_32s(b + 2, first_32(i) * 34, last_32(i) * 34);
  }
  HADAL_INLINE static __m256 scales(const uint8_t* b) { return load_eight_f16(b, 34); }
};
template <>
struct Stream<Int8Iq4Nl> : StreamOf32s {
  static constexpr bool kIsSigned = true;
  HADAL_INLINE static Ints line(const uint8_t* b, int i) {
    return look_up_bytes(kIq4Levels, nibble_line<18>(b, i, 2));
  }
  HADAL_INLINE static __m256 scales(const uint8_t* b) { return load_eight_f16(b, 18); }
};
template <>
struct Stream<Int8Mxfp4> : StreamOf32s {
  static constexpr bool kIsSigned = true;
  HADAL_INLINE static Ints line(const uint8_t* b, int i) {
    return look_up_bytes(kE2m1Twice, nibble_line<17>(b, i, 1));
  }
  HADAL_INLINE static __m256 scales(const uint8_t* b) {
    const __m256i e = _mm256_set_epi32(b[7 * 17], b[6 * 17], b[5 * 17], b[4 * 17], b[3 * 17],
                                       b[2 * 17], b[17], b[0]);
    // 2^(e - 128); exponents 0 and 1 are below the normal numbers.
    const __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, small, is_small));
  }
};

// ---- Blocks of 256 ------------------------------------------------------------------------------
// Scales that are whole numbers, and one for them all: what a block comes to is whole too.
//   add_block(b, x, sum)

// Four bits: each 64 columns have 32 bytes.
HADAL_INLINE Ints four_bit_line(const uint8_t* qs, int i) {
  const Ints x = load_32s(qs, first_32(i) / 2 * 32, last_32(i) / 2 * 32);
  return and_ints(shift_32s_right(x, first_32(i) % 2 * 4, last_32(i) % 2 * 4), 0x0f0f0f0fu);
}

template <class Scales, class Line>
HADAL_INLINE Ints scaled_dot(const Int8Stretch& x, const Scales& scales, Line&& line) {
  Ints sum = broadcast_int(0);
  HADAL_UNROLL
  for (int i = 0; i < kLines; ++i)
    sum = add_scaled_dot(sum, line(i), line_of_x(x, i), scales.of_line(i));
  return sum;
}
HADAL_INLINE void add_whole(Ints whole, float scale, RowSum& sum) {
  sum.many = fma_rows(to_floats(whole), broadcast_row(scale), sum.many);
}
// Scales of f16 at p, one for what a block comes to and one for its mins, times those of x.
HADAL_INLINE void add_whole_and_mins(Ints whole, __m256i mins, const uint8_t* p, __m128 of_x,
                                     RowSum& sum) {
  const __m128i halves = _mm_cvtsi32_si128(static_cast<int>(load_u32(p)));
  const __m128 scales = _mm_mul_ps(_mm_cvtph_ps(halves), of_x);
  sum.many = fma_rows(to_floats(whole), broadcast_first(scales), sum.many);
  const __m256 of_mins = _mm256_broadcastss_ps(_mm_movehdup_ps(scales));
  sum.eight = _mm256_fnmadd_ps(eight_to_floats(mins), of_mins, sum.eight);
}
// Less an offset of 2^shift of every level.
HADAL_INLINE Ints without_offset(Ints sum, __m256i scales, int shift, const Int8Stretch& x) {
  const __m256i offset = _mm256_slli_epi32(dot_of_sixteen(scales, x.sums_of_16), shift);
  return add_eight(sum, _mm256_sub_epi32(_mm256_setzero_si256(), offset));
}

// Two bits: each half of the columns has 32 bytes, two bits for every 32 columns. They stay where
// they are, the first two 0, 2, 4 bits up, the last moved down to 4; the scales make up for it and
// what comes out is kTwoBitsUp times too large.
constexpr int kTwoBitsUp = 16;
constexpr int bits_up(int i) { return i % 4 < 2 ? i % 4 * 2 : 4; }
struct TwoBitLines {
  Ints halves[2 / kHalvesInLine];
  HADAL_INLINE explicit TwoBitLines(const uint8_t* qs) {
    for (int i = 0; i < kLines; i += 4) halves[i / 4] = in_register(halves_of_64_bytes(qs, i));
  }
  HADAL_INLINE Ints line(int i) const {
    const Ints x = halves[i / 4];
    return and_ints(i % 4 == 3 ? shift_ints_right(x, 2) : x, 0x03030303u << bits_up(i));
  }
};
HADAL_INLINE __m256i scales_of_two_bit_lines(__m256i scales) {
  // 16, 4, 1, 1 times, for pairs of sub-blocks.
  const __m128i up = _mm_set_epi16(1, 1, 1, 1, 4, 4, 16, 16);
  return _mm256_mullo_epi16(scales, _mm256_broadcastsi128_si256(up));
}
template <class Line>
HADAL_INLINE Ints two_bit_dot(const Int8Stretch& x, __m256i scales, Line&& line) {
  const ScalesOfHalves of_lines(scales_of_two_bit_lines(scales));
  Ints sum = broadcast_int(0);
  HADAL_UNROLL
  for (int i = 0; i < kLines; ++i)
    sum = add_scaled_dot(sum, line(i), load_halves_line(x, i), of_lines.of_line(i));
  return sum;
}

template <>
struct Stream<Int8Q2K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    const __m128i header = load_sixteen_bytes(b), nibble = _mm_set1_epi8(15);
    const __m256i scales = _mm256_cvtepu8_epi16(_mm_and_si128(header, nibble));
    const __m256i mins = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(header, 4), nibble));
    const TwoBitLines lines(b + 16);
    const Ints whole =
        two_bit_dot(x, scales, [&lines](int i) HADAL_LAMBDA { return lines.line(i); });
    const __m128 of_x = _mm_setr_ps(x.scale * (1.0f / kTwoBitsUp), x.scale, 0.0f, 0.0f);
    add_whole_and_mins(whole, dot_of_sixteen(mins, x.sums_of_16), b + 80, of_x, sum);
  }
};
template <>
struct Stream<Int8Q3K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    constexpr uint64_t kFour = 0x0f0f0f0f0f0f0f0f, kTwo = 0x0303030303030303;
    const uint64_t nibbles = load_u64(b + 96), top = load_u32(b + 104);
    const uint64_t first = (nibbles & kFour) | ((top | top << 30) & kTwo) << 4;
    const uint64_t last = (nibbles >> 4 & kFour) | ((top >> 4 | top >> 6 << 32) & kTwo) << 4;
    const __m256i scales =
        _mm256_cvtepi8_epi16(_mm_sub_epi8(sixteen_bytes(first, last), _mm_set1_epi8(32)));
    const TwoBitLines lines(b + 32);
    const Ints high = in_register(load_32s(b, 0, 0));
    const Ints whole = two_bit_dot(x, scales, [&lines, high](int i) HADAL_LAMBDA {
      return add_where_bit_of_halves(lines.line(i), high, i, 4 << bits_up(i));
    });
    // The offset is 4, that many times too large too.
    add_whole(without_offset(whole, scales, 6, x),
              from_f16(b + 108) * x.scale * (1.0f / kTwoBitsUp), sum);
  }
};

// The head of q4_k and q5_k: d, dmin, eight scales and eight mins of six bits.
struct StreamHead {
  __m128i scales, mins;  // 16 bits each

  HADAL_INLINE explicit StreamHead(const uint8_t* b) {
    // Scales in the low word, mins in the high one: the first four of both, then the others.
    const uint64_t six = load_u64(b + 4), four = load_u32(b + 12);
    const uint64_t first = six & 0x3f3f3f3f3f3f3f3f;
    const uint64_t last =
        ((four | four << 28) & 0x0f0f0f0f0f0f0f0f) | (six >> 2 & 0x3030303030303030);
    const __m256i all = _mm256_cvtepu8_epi16(sixteen_bytes(first, last));
    scales = _mm256_castsi256_si128(_mm256_permute4x64_epi64(all, 0x08));
    mins = _mm256_castsi256_si128(_mm256_permute4x64_epi64(all, 0x0d));
  }
};
template <class Line>
HADAL_INLINE void add_headed_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum,
                                   Line&& line) {
  const StreamHead head(b);
  add_whole_and_mins(scaled_dot(x, ScalesOf32(head.scales), line),
                     dot_of_eight(head.mins, x.sums_of_32), b, _mm_set1_ps(x.scale), sum);
}
template <>
struct Stream<Int8Q4K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    add_headed_block(b, x, sum, [b](int i) HADAL_LAMBDA { return four_bit_line(b + 16, i); });
  }
};
template <>
struct Stream<Int8Q5K> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    const Ints high = in_register(load_32s(b + 16, 0, 0));
    add_headed_block(b, x, sum, [b, high](int i) HADAL_LAMBDA {
      return add_where_bit_of_32s(four_bit_line(b + 48, i), high, first_32(i), last_32(i), 16);
    });
  }
};

template <>
struct Stream<Int8Q6K> {
  HADAL_INLINE static Ints line(const uint8_t* b, int i) {
    const int first = first_32(i), last = last_32(i), half = first / 4;
    const Ints four = load_32s(b + 64 * half, first % 2 * 32, last % 2 * 32);
    const Ints two = load_32s(b + 128 + 32 * half, 0, 0);
    if (first % 4 < 2) {
      const Ints bits = shift_32s_left(two, 4 - first % 4 * 2, 4 - last % 4 * 2);
      return or_ints(low_nibbles_of(four), and_ints(bits, 0x30303030u));
    }
    const Ints bits = shift_32s_right(two, first % 4 * 2 - 4, last % 4 * 2 - 4);
    return or_ints(high_nibbles_of(four), and_ints(bits, 0x30303030u));
  }
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    const __m256i scales = _mm256_cvtepi8_epi16(load_sixteen_bytes(b + 192));
    const Ints whole =
        scaled_dot(x, ScalesOf16(scales), [b](int i) HADAL_LAMBDA { return line(b, i); });
    add_whole(without_offset(whole, scales, 5, x), from_f16(b + 208) * x.scale, sum);
  }
};

template <>
struct Stream<Int8Iq4Xs> {
  HADAL_INLINE static void add_block(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
    const __m128i bytes = _mm_cvtsi32_si128(static_cast<int>(load_u32(b + 4)));
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i four = _mm_unpacklo_epi8(_mm_and_si128(bytes, nibble),
                                           _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
    const uint32_t high = load_u32(b) >> 16;
    const __m128i to_the_top =
        _mm_set_epi16(1, 1 << 2, 1 << 4, 1 << 6, 1 << 8, 1 << 10, 1 << 12, 1 << 14);
    const __m128i two =
        _mm_srli_epi16(_mm_mullo_epi16(_mm_set1_epi16(static_cast<int16_t>(high)), to_the_top), 14);
    const __m128i six = _mm_or_si128(_mm_cvtepu8_epi16(four), _mm_slli_epi16(two, 4));
    const __m128i scales = _mm_sub_epi16(six, _mm_set1_epi16(32));
    const Ints whole = scaled_book_dot(kIq4Levels, b + 8, x.levels, x.sums_of_32, scales);
    add_whole(whole, from_f16(b) * x.scale, sum);
  }
};

// ---- Rows ---------------------------------------------------------------------------------------

template <class Format>
concept IsStreamedByBlocks = requires(const uint8_t* b, const Int8Stretch& x, RowSum& sum) {
  Stream<Format>::add_block(b, x, sum);
};
template <class Format>
concept IsStreamedByLines = requires(const uint8_t* b) {
  Stream<Format>::line(b, 0);
};

// The first n_blocks of a stretch, where it is one of several.
template <class Format>
HADAL_INLINE void add_stretch(const uint8_t* b, const Int8Stretch& x, RowSum& sum,
                              int n_blocks = kStretch / Format::Block::kElements) {
  using S = Stream<Format>;
  if constexpr (IsStreamedByBlocks<Format>) {
    S::add_block(b, x, sum);
  } else {
    const __m256 of_x = _mm256_set1_ps(x.scale);
    const __m256 scales = first_of_eight(_mm256_mul_ps(S::scales(b), of_x), n_blocks);
    const auto sums_of_x = [&x]() HADAL_LAMBDA {
      const auto* sums = reinterpret_cast<const __m128i*>(x.sums_of_32);
      return eight_to_floats(_mm256_cvtepi16_epi32(_mm_load_si128(sums)));
    };
    if constexpr (S::kOffset != 0) {
      const __m256 offset = _mm256_mul_ps(scales, _mm256_set1_ps(S::kOffset));
      sum.eight = _mm256_fnmadd_ps(offset, sums_of_x(), sum.eight);
    }
    if constexpr (S::kHasMins) {
      const __m256 mins = first_of_eight(_mm256_mul_ps(S::mins(b), of_x), n_blocks);
      sum.eight = _mm256_fmadd_ps(mins, sums_of_x(), sum.eight);
    }
    const FloatScales scales_of_lines(scales);
    HADAL_UNROLL
    for (int i = 0; i < kLines; ++i) {
      const Ints levels = S::line(b, i), levels_of_x = line_of_x(x, i);
      Ints dot;
      if constexpr (S::kIsSigned) {
        const Signless line(levels, levels_of_x);
        dot = dot_line(line.w, line.x);
      } else {
        dot = dot_line(levels, levels_of_x);
      }
      sum.many = fma_rows(to_floats(dot), scales_of_lines.of_line(i), sum.many);
    }
  }
}

// How far ahead of what is multiplied memory is asked for. The processor's own guessing begins anew
// at every jump, and there is one from each matrix of an expert to the next.
constexpr int64_t kBytesAhead = 8192;

template <class Format>
void int8_stream_rows(const Int8RowProduct& p) {
  using Block = typename Format::Block;
  constexpr int64_t kBytes = kStretch / Block::kElements * Block::kSize;
  const uint8_t* end = p.w + (p.n_w - 1) * p.w_stride_bytes + p.k / Block::kElements * Block::kSize;
  const int64_t rows_ahead = (kBytesAhead + p.w_stride_bytes - 1) / p.w_stride_bytes;
  for (int64_t r = 0; r < p.n_w; ++r) {
    const uint8_t* w = p.w + r * p.w_stride_bytes;
    const int64_t beyond = r + rows_ahead - p.n_w;
    const uint8_t* ahead =
        beyond < 0 ? w + rows_ahead * p.w_stride_bytes : p.next + beyond * p.w_stride_bytes;
    const auto fetch_ahead = [&]() HADAL_LAMBDA {
      // To L2: fetching to L1 pushes x out of it.
      for (int64_t i = 0; i < kBytes; i += 64) __builtin_prefetch(ahead + i, 0, 2);
      ahead += kBytes;
    };
    const Int8Stretch* x = p.x;
    RowSum sum;
    int64_t left = p.k;
    for (; left >= kStretch; left -= kStretch, w += kBytes, ++x) {
      fetch_ahead();
      add_stretch<Format>(w, *x, sum);
    }
    if constexpr (Block::kElements < kStretch) {
      if (left > 0) {
        fetch_ahead();
        const int n_blocks = static_cast<int>(left / Block::kElements);
        // What is read beyond the row are other rows, whose scales do not count; or nothing's.
        if (w + kBytes <= end) {
          add_stretch<Format>(w, *x, sum, n_blocks);
        } else {
          uint8_t copy[size_t{kBytes}] = {};
          __builtin_memcpy(copy, w, static_cast<size_t>(n_blocks * Block::kSize));
          add_stretch<Format>(copy, *x, sum, n_blocks);
        }
      }
    }
    p.out[r] = sum_of(sum.many, sum.eight);
  }
}

}  // namespace
