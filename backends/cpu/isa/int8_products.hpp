// Products in 8 bits, in terms of int8_vec.hpp and int8_formats.hpp: kernels.hpp says what they
// are. Two ways to the same bits: one row of x is multiplied while the weight is decoded; for many
// the weight is decoded into a panel in the L1 cache first.
#pragma once

#include "backends/cpu/isa/int8_formats.hpp"
#include "backends/cpu/isa/int8_formats_few.hpp"
#include "backends/cpu/isa/int8_formats_iq.hpp"
#include "backends/cpu/kernels.hpp"
#ifdef __AVX2__  // else the instruction set has streams of its own, and includes them before this
#include "backends/cpu/isa/int8_streams.hpp"
#endif

namespace {

using hadal::cpu::Int8Kernels;
using hadal::cpu::Int8PanelProduct;
using hadal::cpu::kInt8PanelBytes;
using hadal::cpu::kInt8Rows;

constexpr int kInt8Vecs = kInt8Rows / kVecRows;
constexpr int kInt8TileW = 2;  // vectors of rows

HADAL_INLINE Ints broadcast_word(const void* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return broadcast_int(word);
}

// Where the sum of a sub-block begins: at minus the offset of its levels, times their x.
template <class Shape>
HADAL_INLINE Ints first_sum(const Int8Stretch& x, int s) {
  if constexpr (Shape::kOffsetShift < 0) {
    return broadcast_int(0);
  } else if constexpr (Shape::kSub == kStretch) {
    return shift_ints_left(broadcast_word(&x.minus_sum), Shape::kOffsetShift);
  } else {
    static_assert(Shape::kSub == 16 || Shape::kSub == 32);
    const int32_t* sums = Shape::kSub == 16 ? x.minus_sums_of_16 : x.minus_sums_of_32;
    return shift_ints_left(broadcast_word(sums + s), Shape::kOffsetShift);
  }
}
template <class Shape>
HADAL_INLINE Ints pair_of_sums(const Int8Stretch& x, int i) {
  return broadcast_word(Shape::kMins == Mins::kIntOf16 ? x.sums_of_16 + 2 * i
                                                       : x.sums_of_32 + 2 * i);
}
HADAL_INLINE RowFloats minus_sum(const Int8Stretch& x, int s) {
  return to_floats(broadcast_word(&x.minus_sums_of_32[s]));
}

// The columns of one stretch of kVecRows rows, `offset` bytes from their beginnings.
template <class Format, class Sink>
HADAL_INLINE void decode_stretch(const Rows& rows, int64_t offset, int n_cols, Sink& sink) {
  using Block = typename Format::Block;
  if constexpr (Block::kElements == kStretch) {
    Format::decode(rows, offset, 0, sink);
  } else {
    for (int s = 0; s < n_cols / Block::kElements; ++s, offset += Block::kSize)
      Format::decode(rows, offset, s, sink);
  }
}

// The bytes that a stretch of n rows has, of what will be read next: while one is worked on, the
// next is fetched, for the rows are too many streams to be foreseen. To the L2 cache: there is more
// on its way than the L1 cache can wait for.
template <class Format>
HADAL_INLINE void fetch_stretch(const uint8_t* next, int64_t n_rows) {
  constexpr int64_t kBytes = kStretch / Format::Block::kElements * Format::Block::kSize;
  for (int64_t line = 0; line < n_rows * kBytes; line += 64) __builtin_prefetch(next + line, 0, 2);
}

// Rows past the last are the last once more; their results are not looked at.
HADAL_INLINE Rows rows_from(const uint8_t* w, int64_t stride, int64_t first, int64_t n) {
  Rows rows;
  for (int64_t r = 0; r < kVecRows; ++r)
    rows.row[r] = w + (first + r < n ? first + r : n - 1) * stride;
  return rows;
}

// ---- One row of x -------------------------------------------------------------------------------

template <class Format>
struct RowSink {
  HADAL_INLINE explicit RowSink(const Int8Stretch& stretch) : x(stretch) {}

  const Int8Stretch& x;
  RowFloats block = broadcast_row(0.0f);
  Ints whole = broadcast_int(0);  // where scales are whole numbers
  Ints min_sum = broadcast_int(0);
  // Two sums, where a sub-block is long enough for one to be waited for.
  Dot<Format::kMost, Format::kIsSigned> dot[2];
  const int8_t* levels = nullptr;

  HADAL_INLINE void begin(int s) {
    levels = x.levels + s * Format::kSub;
    dot[0].begin(first_sum<Format>(x, s));
    dot[1].begin(broadcast_int(0));
  }
  HADAL_INLINE void add(int i, Ints w) {
    dot[i / 4 % 2].add(i, prepare_levels<Format::kIsSigned>(w), broadcast_word(levels + 4 * i));
  }
  HADAL_INLINE void end(int, RowFloats scale) {
    block = fma_rows(to_floats(add_ints(dot[0].sum, dot[1].sum)), scale, block);
  }
  HADAL_INLINE void int_end(int, Ints scale) {
    whole = add_ints(whole, mul_int_vectors(add_ints(dot[0].sum, dot[1].sum), scale));
  }
  HADAL_INLINE void block_scale(RowFloats scale) {
    block = fma_rows(to_floats(whole), scale, block);
  }
  HADAL_INLINE void float_min(int s, RowFloats min) {
    block = fma_rows(minus_sum(x, s), min, block);
  }
  HADAL_INLINE void int_mins(int i, Ints pair) {
    min_sum = add_products_of_halves(min_sum, pair, pair_of_sums<Format>(x, i));
  }
  HADAL_INLINE void min_scale(RowFloats scale) {
    block = fma_rows(to_floats(min_sum), scale, block);
  }
};

template <class Format>
void int8_multiply_row(const Int8RowProduct& p) {
  using Block = typename Format::Block;
  constexpr int64_t kStretchBytes = kStretch / Block::kElements * Block::kSize;
  for (int64_t first = 0; first < p.n_w; first += kVecRows) {
    const Rows rows = rows_from(p.w, p.w_stride_bytes, first, p.n_w);
    const int64_t after = first + kVecRows;
    const uint8_t* ahead = after < p.n_w ? p.w + after * p.w_stride_bytes : p.next;
    RowFloats out = broadcast_row(0.0f);
    int64_t offset = 0;
    for (int64_t k = 0; k < p.k; k += kStretch, offset += kStretchBytes) {
      fetch_stretch<Format>(ahead, kVecRows);
      ahead += kVecRows * kStretchBytes;
      const int n_cols = static_cast<int>(p.k - k < kStretch ? p.k - k : kStretch);
      const Int8Stretch& x = p.x[k / kStretch];
      RowSink<Format> sink(x);
      decode_stretch<Format>(rows, offset, n_cols, sink);
      out = fma_rows(sink.block, broadcast_row(x.scale), out);
    }
    float results[kVecRows];
    store_row_floats(results, out);
    for (int64_t r = 0; r < kVecRows && first + r < p.n_w; ++r) p.out[first + r] = results[r];
  }
}

// ---- Many ---------------------------------------------------------------------------------------

// kInt8Rows rows of a stretch. Two vectors of rows are neighbours, for a tile to read.
struct alignas(64) Int8Panel {
  uint8_t levels[kStretch * kInt8Rows];
  union {
    float scales[16][kInt8Rows];
    int32_t int_scales[16][kInt8Rows];
  };
  union {
    float min[8][kInt8Rows];
    int32_t min_pair[8][kInt8Rows];
  };
  float min_scale[kInt8Rows];
  float block_scale[kInt8Rows];

  HADAL_INLINE uint8_t* word(int vec, int i) {
    return levels +
           ((vec / kInt8TileW * (kStretch / 4) + i) * kInt8TileW + vec % kInt8TileW) * kVecRows * 4;
  }
};
static_assert(sizeof(Int8Panel) == kInt8PanelBytes);

template <class Format>
struct PanelSink {
  Int8Panel& panel;
  int vec;
  int word = 0;

  HADAL_INLINE void begin(int s) { word = s * (Format::kSub / 4); }
  HADAL_INLINE void add(int i, Ints w) {
    store_ints(panel.word(vec, word + i), prepare_levels<Format::kIsSigned>(w));
  }
  HADAL_INLINE void end(int s, RowFloats scale) {
    store_row_floats(panel.scales[s] + vec * kVecRows, scale);
  }
  HADAL_INLINE void int_end(int s, Ints scale) {
    store_ints(panel.int_scales[s] + vec * kVecRows, scale);
  }
  HADAL_INLINE void block_scale(RowFloats scale) {
    store_row_floats(panel.block_scale + vec * kVecRows, scale);
  }
  HADAL_INLINE void float_min(int s, RowFloats min) {
    store_row_floats(panel.min[s] + vec * kVecRows, min);
  }
  HADAL_INLINE void int_mins(int i, Ints pair) {
    store_ints(panel.min_pair[i] + vec * kVecRows, pair);
  }
  HADAL_INLINE void min_scale(RowFloats scale) {
    store_row_floats(panel.min_scale + vec * kVecRows, scale);
  }
};

template <class Shape>
constexpr int kStepCols = Shape::kSub < 32 ? Shape::kSub : 32;

// Rows of x of a tile at most. Of few rows as few tiles as there can be; many are faster by
// kInt8TileX.
template <class Shape>
constexpr int kMostX = Shape::kSub == kStretch ? kInt8MostX : kInt8TileX;

// What will be read next, asked for a line at a time while tiles are computed: asked for at once,
// the lines keep what is needed now from coming, and the rows are too many streams to be foreseen.
class Ahead {
 public:
  HADAL_INLINE Ahead(const Int8PanelProduct& p, int64_t bytes, int64_t n_steps)
      : row_(p.next), stride_(p.w_stride_bytes), bytes_(bytes), n_rows_(kInt8Rows) {
    if (bytes_ == stride_) {  // one piece
      bytes_ *= n_rows_;
      n_rows_ = 1;
    }
    const int64_t n_lines = (bytes_ + 63) / 64 * n_rows_;
    lines_a_step_ = (n_lines + n_steps - 1) / n_steps;
  }
  HADAL_INLINE void step() {
    for (int64_t i = 0; i < lines_a_step_ && n_rows_ > 0; ++i) {
      __builtin_prefetch(row_ + at_, 0, 3);
      at_ += 64;
      if (at_ >= bytes_) {
        at_ = 0;
        row_ += stride_;
        --n_rows_;
      }
    }
  }

 private:
  const uint8_t* row_;
  int64_t stride_, bytes_;
  int64_t n_rows_;
  int64_t at_ = 0;
  int64_t lines_a_step_;
};

// What the next tile takes of x: stretch `s` of some rows. A tile would wait for the first of it.
struct NextX {
  const Int8Stretch* const* rows;
  int64_t s;
};
// Of the lines of a stretch that tiles read, all but those of levels_by_halves.
HADAL_INLINE void fetch_line_of_x(const Int8Stretch* x, int i) {
  constexpr int kLine = 64, kLevels = sizeof(Int8Stretch::levels) / kLine;
  constexpr int kUnread = sizeof(Int8Stretch::levels_by_halves) / kLine;
  constexpr int kRead = sizeof(Int8Stretch) / kLine - kUnread;
  if (i < kRead)
    __builtin_prefetch(
        reinterpret_cast<const uint8_t*>(x) + (i < kLevels ? i : i + kUnread) * kLine, 0, 3);
}

// Stretch `s` of n_x rows of x times kInt8TileW vectors of rows of the panel.
template <class Shape, int n_x>
HADAL_INLINE void int8_tile(Int8Panel& panel, int vec, int n_subs, const Int8Stretch* const* x,
                            int64_t s, float* sums, Ahead& ahead, NextX next) {
  RowFloats block[kInt8TileW][unsigned{n_x}];
  HADAL_UNROLL
  for (int v = 0; v < kInt8TileW; ++v) {
    HADAL_UNROLL
    for (int j = 0; j < n_x; ++j) block[v][j] = broadcast_row(0.0f);
  }
  Ints whole[kInt8TileW][unsigned{n_x}];
  if constexpr (Shape::kHasIntScales) {
    HADAL_UNROLL
    for (int v = 0; v < kInt8TileW; ++v) {
      HADAL_UNROLL
      for (int j = 0; j < n_x; ++j) whole[v][j] = broadcast_int(0);
    }
  }
  const uint8_t* words = panel.word(vec, 0);
  constexpr int kWordBytes = kVecRows * 4;
  int n_steps = 0;
  const auto fetch_some = [&]() HADAL_LAMBDA {
    ahead.step();
    HADAL_UNROLL
    for (int j = 0; j < n_x; ++j) fetch_line_of_x(next.rows[j] + next.s, n_steps);
    ++n_steps;
  };
  for (int sub = 0; sub < n_subs; ++sub) {
    if constexpr (Shape::kSub == kStepCols<Shape>) fetch_some();
    Dot<Shape::kMost, Shape::kIsSigned> dot[kInt8TileW][unsigned{n_x}];
    HADAL_UNROLL
    for (int j = 0; j < n_x; ++j) {
      const Ints first = first_sum<Shape>(x[j][s], sub);
      HADAL_UNROLL
      for (int v = 0; v < kInt8TileW; ++v) dot[v][j].begin(first);
    }
    for (int i = 0; i < Shape::kSub / 4; i += 4) {
      if constexpr (Shape::kSub > kStepCols<Shape>) {
        if (i % (kStepCols<Shape> / 4) == 0) fetch_some();
      }
      HADAL_UNROLL
      for (int step = 0; step < 4; ++step) {
        Ints w[kInt8TileW];
        HADAL_UNROLL
        for (int v = 0; v < kInt8TileW; ++v) w[v] = load_ints(words + v * kWordBytes);
        words += kInt8TileW * kWordBytes;
        HADAL_UNROLL
        for (int j = 0; j < n_x; ++j) {
          const Ints levels = broadcast_word(x[j][s].levels + sub * Shape::kSub + 4 * (i + step));
          HADAL_UNROLL
          for (int v = 0; v < kInt8TileW; ++v) dot[v][j].add(step, w[v], levels);
        }
      }
    }
    HADAL_UNROLL
    for (int v = 0; v < kInt8TileW; ++v) {
      if constexpr (Shape::kHasIntScales) {
        const Ints scale = load_ints(panel.int_scales[sub] + (vec + v) * kVecRows);
        HADAL_UNROLL
        for (int j = 0; j < n_x; ++j)
          whole[v][j] = add_ints(whole[v][j], mul_int_vectors(dot[v][j].sum, scale));
      } else {
        const RowFloats scale = load_row_floats(panel.scales[sub] + (vec + v) * kVecRows);
        HADAL_UNROLL
        for (int j = 0; j < n_x; ++j)
          block[v][j] = fma_rows(to_floats(dot[v][j].sum), scale, block[v][j]);
      }
    }
    if constexpr (Shape::kMins == Mins::kFloat) {
      HADAL_UNROLL
      for (int v = 0; v < kInt8TileW; ++v) {
        const RowFloats min = load_row_floats(panel.min[sub] + (vec + v) * kVecRows);
        HADAL_UNROLL
        for (int j = 0; j < n_x; ++j)
          block[v][j] = fma_rows(minus_sum(x[j][s], sub), min, block[v][j]);
      }
    }
  }
  if constexpr (Shape::kHasIntScales) {
    HADAL_UNROLL
    for (int v = 0; v < kInt8TileW; ++v) {
      const RowFloats scale = load_row_floats(panel.block_scale + (vec + v) * kVecRows);
      HADAL_UNROLL
      for (int j = 0; j < n_x; ++j)
        block[v][j] = fma_rows(to_floats(whole[v][j]), scale, block[v][j]);
    }
  }
  if constexpr (Shape::kMins == Mins::kIntOf16 || Shape::kMins == Mins::kIntOf32) {
    Ints min_sum[kInt8TileW][unsigned{n_x}];
    HADAL_UNROLL
    for (int v = 0; v < kInt8TileW; ++v) {
      HADAL_UNROLL
      for (int j = 0; j < n_x; ++j) min_sum[v][j] = broadcast_int(0);
    }
    for (int i = 0; i < (Shape::kMins == Mins::kIntOf16 ? 8 : 4); ++i) {
      Ints pair[kInt8TileW];
      HADAL_UNROLL
      for (int v = 0; v < kInt8TileW; ++v)
        pair[v] = load_ints(panel.min_pair[i] + (vec + v) * kVecRows);
      HADAL_UNROLL
      for (int j = 0; j < n_x; ++j) {
        const Ints sums_of_x = pair_of_sums<Shape>(x[j][s], i);
        HADAL_UNROLL
        for (int v = 0; v < kInt8TileW; ++v)
          min_sum[v][j] = add_products_of_halves(min_sum[v][j], pair[v], sums_of_x);
      }
    }
    HADAL_UNROLL
    for (int v = 0; v < kInt8TileW; ++v) {
      const RowFloats scale = load_row_floats(panel.min_scale + (vec + v) * kVecRows);
      HADAL_UNROLL
      for (int j = 0; j < n_x; ++j)
        block[v][j] = fma_rows(to_floats(min_sum[v][j]), scale, block[v][j]);
    }
  }
  HADAL_UNROLL
  for (int j = 0; j < n_x; ++j) {
    const RowFloats scale = broadcast_row(x[j][s].scale);
    HADAL_UNROLL
    for (int v = 0; v < kInt8TileW; ++v) {
      float* sum = sums + j * kInt8Rows + (vec + v) * kVecRows;
      store_row_floats(sum, fma_rows(block[v][j], scale, load_row_floats(sum)));
    }
  }
}

// Tiles over all rows of x. Not inlined: shapes are fewer than formats.
template <class Shape>
[[gnu::noinline]] void int8_tiles(Int8Panel& panel, int n_cols, const Int8PanelProduct& p,
                                  int64_t s, Ahead& ahead) {
  const int n_subs = n_cols / Shape::kSub;
  constexpr int kMost = kMostX<Shape>;
  constexpr auto at_most = [](int n) { return n < kMost ? n : kMost; };
  for (int vec = 0; vec < kInt8Vecs; vec += kInt8TileW) {
    const auto tile = [&]<int n_x>(int64_t j) HADAL_LAMBDA {
      // As many rows as this tile has: the next has about as many.
      const bool is_last = j + n_x >= p.n_x;
      const NextX next = is_last ? NextX{p.x, s + 1}
                                 : NextX{p.x + (j + 2 * n_x <= p.n_x ? j + n_x : p.n_x - n_x), s};
      int8_tile<Shape, n_x>(panel, vec, n_subs, p.x + j, s, p.sums + j * kInt8Rows, ahead, next);
    };
    for (int64_t j = 0; j < p.n_x;) {
      // As few tiles as there can be, and none of them much smaller than the others: experts often
      // have few rows, and a small tile waits for each of its sums.
      const int64_t left = p.n_x - j, most = left > 2 * kMost ? kInt8TileX : kMost;
      const int64_t n_tiles = (left + most - 1) / most;
      const int64_t n = (left + n_tiles - 1) / n_tiles;
      switch (n) {
        case 1: tile.template operator()<1>(j); break;
        case 2: tile.template operator()<2>(j); break;
        case 3: tile.template operator()<3>(j); break;
        case 4: tile.template operator()<at_most(4)>(j); break;
        case 5: tile.template operator()<at_most(5)>(j); break;
        case 6: tile.template operator()<at_most(6)>(j); break;
        case 7: tile.template operator()<at_most(7)>(j); break;
        default: tile.template operator()<kMost>(j);
      }
      j += n;
    }
  }
}

template <class Format>
void int8_multiply_panel(const Int8PanelProduct& p) {
  using Block = typename Format::Block;
  using Shape = Int8Shape<Format::kSub, Format::kMins, Format::kIsSigned,
                          kSignedOffsetShift >= 0 ? 1 : Format::kMost,
                          Format::kIsSigned ? -1 : Format::kOffsetShift, Format::kHasIntScales>;
  constexpr int64_t kStretchBytes = kStretch / Block::kElements * Block::kSize;
  auto& panel = *static_cast<Int8Panel*>(p.panel);
  const int64_t n_tiles = (p.n_x + kMostX<Shape> - 1) / kMostX<Shape>;
  Ahead ahead(p, p.k / Block::kElements * Block::kSize, p.k / kStepCols<Shape> * n_tiles);
  int64_t offset = 0;
  for (int64_t k = 0; k < p.k; k += kStretch, offset += kStretchBytes) {
    const int n_cols = static_cast<int>(p.k - k < kStretch ? p.k - k : kStretch);
    for (int vec = 0; vec < kInt8Vecs; ++vec) {
      const Rows rows = rows_from(p.w, p.w_stride_bytes, vec * kVecRows, p.n_w);
      PanelSink<Format> sink{panel, vec};
      decode_stretch<Format>(rows, offset, n_cols, sink);
    }
    int8_tiles<Shape>(panel, n_cols, p, p.first_stretch + k / kStretch, ahead);
  }
}

// ---- Rounding -----------------------------------------------------------------------------------

void round_to_int8(const float* x, int64_t n, Int8Stretch* to) {
  for (; n > 0; n -= kStretch, x += kStretch, ++to) {
    float part[kStretch];
    const float* from = x;
    if (n < kStretch) {
      for (int64_t i = 0; i < kStretch; ++i) part[i] = i < n ? x[i] : 0.0f;
      from = part;
    }
    const int32_t bits = largest_bits(from, kStretch);
    float largest;
    __builtin_memcpy(&largest, &bits, sizeof largest);
    constexpr float kSmall = 1e-30f;  // below, 1 / scale is not a number; nothing is lost
    const bool is_finite = bits < 0x7f800000;
    const float factor = is_finite && largest >= kSmall ? 127.0f / largest : 0.0f;
    // What came from a NaN or an infinity is a NaN.
    to->scale = is_finite ? (largest >= kSmall ? largest / 127.0f : 0.0f) : __builtin_nanf("");
    if (is_finite) {
      for (int i = 0; i < kStretch; i += 16) round_16(from + i, factor, to->levels + i);
    } else {
      __builtin_memset(to->levels, 0, sizeof to->levels);
    }
    for (int i = 0; i < kStretch / 2; i += 32) {
      __builtin_memcpy(to->levels_by_halves + 2 * i, to->levels + i, 32);
      __builtin_memcpy(to->levels_by_halves + 2 * i + 32, to->levels + kStretch / 2 + i, 32);
    }
    alignas(64) int32_t fours[kStretch / 4];
    sum_fours(to->levels, kStretch, fours);
    to->minus_sum = 0;
    for (int s = 0; s < 8; ++s) {
      const int32_t* f = fours + 8 * s;
      const int first = f[0] + f[1] + f[2] + f[3], second = f[4] + f[5] + f[6] + f[7];
      to->sums_of_16[2 * s] = static_cast<int16_t>(first);
      to->sums_of_16[2 * s + 1] = static_cast<int16_t>(second);
      to->minus_sums_of_16[2 * s] = -first;
      to->minus_sums_of_16[2 * s + 1] = -second;
      to->sums_of_32[s] = static_cast<int16_t>(first + second);
      to->minus_sums_of_32[s] = -first - second;
      to->minus_sum -= first + second;
    }
  }
}

template <class Format>
constexpr Int8Kernels int8_kernels_of() {
  if constexpr (IsStreamedByBlocks<Format> || IsStreamedByLines<Format>) {
    return {int8_multiply_row<Format>, int8_multiply_panel<Format>, int8_stream_rows<Format>};
  } else {
    return {int8_multiply_row<Format>, int8_multiply_panel<Format>, nullptr};
  }
}

}  // namespace

// In the order of enum Format.
#define HADAL_INT8_KERNELS                                                                        \
  {                                                                                               \
    {}, {}, {}, int8_kernels_of<Int8Q4_0>(), int8_kernels_of<Int8Q4_1>(),                         \
        int8_kernels_of<Int8Q5_0>(), int8_kernels_of<Int8Q5_1>(), int8_kernels_of<Int8Q8_0>(),    \
        int8_kernels_of<Int8Iq4Nl>(), int8_kernels_of<Int8Mxfp4>(), int8_kernels_of<Int8Q2K>(),   \
        int8_kernels_of<Int8Q3K>(), int8_kernels_of<Int8Q4K>(), int8_kernels_of<Int8Q5K>(),       \
        int8_kernels_of<Int8Q6K>(), int8_kernels_of<Int8Iq4Xs>(), int8_kernels_of<Int8Iq2Xxs>(),  \
        int8_kernels_of<Int8Iq2Xs>(), int8_kernels_of<Int8Iq2S>(), int8_kernels_of<Int8Iq3Xxs>(), \
        int8_kernels_of<Int8Iq3S>(), int8_kernels_of<Int8Iq1S>(), int8_kernels_of<Int8Iq1M>(),    \
        int8_kernels_of<Int8Tq1_0>(), int8_kernels_of<Int8Tq2_0>(), int8_kernels_of<Int8Nvfp4>()  \
  }
