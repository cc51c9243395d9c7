// The kernels themselves, in terms of vec.hpp and formats.hpp, and the table of them. Each
// instruction set includes this once, last, and thereby has a copy of its own.
#pragma once

#include "backends/cpu/kernels.hpp"

namespace {

using hadal::cpu::BlocksProduct;
using hadal::cpu::FormatKernels;
using hadal::cpu::FusedProduct;
using hadal::cpu::kFusedRows;
using hadal::cpu::kLanes;
using hadal::cpu::kPanelCols;
using hadal::cpu::kPanelRows;
using hadal::cpu::PanelProduct;
using hadal::cpu::WeightedRows;

// The n < 16 floats at p, then zeros.
HADAL_INLINE Floats load_part(const float* p, int64_t n) {
  float x[16] = {};
  for (int64_t i = 0; i < n; ++i) x[i] = p[i];
  return load(x);
}
HADAL_INLINE void store_part(float* p, int64_t n, Floats x) {
  float all[16];
  store(all, x);
  for (int64_t i = 0; i < n; ++i) p[i] = all[i];
}

// The n < 16 elements at b of a plain type, then zeros. Packed types come in whole blocks.
template <class Format>
HADAL_INLINE Floats decode_part(const uint8_t* b, int64_t n) {
  uint8_t block[Format::kSize] = {};
  const int64_t size = n * Format::kElementSize;
  for (int64_t i = 0; i < size; ++i) block[i] = b[i];
  Floats x = broadcast(0.0f);
  Format::decode(block, [&](int, Floats v) { x = v; });
  return x;
}

template <class Format>
void decode(const uint8_t* from, int64_t n, float* to) {
  int64_t i = 0;
  for (; i + Format::kElements <= n; i += Format::kElements, from += Format::kSize) {
    Format::decode(from, [&](int part, Floats v) HADAL_LAMBDA { store(to + i + 16 * part, v); });
  }
  if constexpr (Format::kElements == 16) {
    if (i < n) store_part(to + i, n - i, decode_part<Format>(from, n - i));
  }
}

// ---- Rows of a weight times a few rows of x -----------------------------------------------------

// What decoded elements are multiplied with on the way: nothing, or the scale of their block of
// columns, which begins at a multiple of kLanes.
struct Unscaled {
  HADAL_INLINE void move_to(int64_t) {}
  HADAL_INLINE Floats scaled(Floats v) const { return v; }
};
struct BlocksOfColumns {
  const float* next_scale;
  int64_t n_cols, next = 0;
  Floats scale = broadcast(0.0f);

  HADAL_INLINE BlocksOfColumns(const float* scales, int64_t cols)
      : next_scale(scales), n_cols(cols) {}
  // Elements k to k + 15 come next, from 0 on and in order.
  HADAL_INLINE void move_to(int64_t k) {
    if (k != next) return;
    scale = broadcast(*next_scale++);
    next += n_cols;
  }
  HADAL_INLINE Floats scaled(Floats v) const { return mul(v, scale); }
};

// Several rows at once, so that their sums hide each other's latency.
template <class Format, int n_w, int n_x, class Scales>
void multiply_rows(const FusedProduct& p, int64_t first, Scales scales) {
  Floats sums[unsigned{n_w}][unsigned{n_x}];
  for (int r = 0; r < n_w; ++r) {
    for (int j = 0; j < n_x; ++j) sums[r][j] = broadcast(0.0f);
  }
  const uint8_t* w = p.w + first * p.w_stride_bytes;
  const int64_t whole = p.k / kLanes * kLanes;
  int64_t k = 0;
  while (k < whole) {
    const int64_t end = k + kPanelCols < whole ? k + kPanelCols : whole;
    Floats part_sums[unsigned{n_w}][unsigned{n_x}];
    HADAL_UNROLL
    for (int r = 0; r < n_w; ++r) {
      HADAL_UNROLL
      for (int j = 0; j < n_x; ++j) part_sums[r][j] = broadcast(0.0f);
    }
    for (; k < end; k += Format::kElements, w += Format::kSize) {
      scales.move_to(k);
      HADAL_UNROLL
      for (int r = 0; r < n_w; ++r) {
        Format::decode(w + r * p.w_stride_bytes, [&](int part, Floats decoded) HADAL_LAMBDA {
          const Floats v = scales.scaled(decoded);
          HADAL_UNROLL
          for (int j = 0; j < n_x; ++j)
            part_sums[r][j] = fma(v, load(p.x[j] + k + 16 * part), part_sums[r][j]);
        });
      }
    }
    for (int r = 0; r < n_w; ++r) {
      for (int j = 0; j < n_x; ++j) sums[r][j] = add(sums[r][j], part_sums[r][j]);
    }
  }
  if constexpr (Format::kElements == kLanes) {
    if (k < p.k) {
      scales.move_to(k);
      for (int r = 0; r < n_w; ++r) {
        const Floats v = scales.scaled(decode_part<Format>(w + r * p.w_stride_bytes, p.k - k));
        for (int j = 0; j < n_x; ++j)
          sums[r][j] = fma(v, load_part(p.x[j] + k, p.k - k), sums[r][j]);
      }
    }
  }
  for (int r = 0; r < n_w; ++r) {
    for (int j = 0; j < n_x; ++j) p.out[j * p.out_stride + first + r] = add_up(sums[r][j]);
  }
}

template <class Format, class Scales>
HADAL_INLINE void multiply_with(const FusedProduct& p, const Scales& scales) {
  static_assert(kFusedRows == 2);
  constexpr int n_w = 4;
  int64_t first = 0;
  for (; first + n_w <= p.n_w; first += n_w) {
    if (p.n_x == 1) {
      multiply_rows<Format, n_w, 1>(p, first, scales);
    } else {
      multiply_rows<Format, n_w, 2>(p, first, scales);
    }
  }
  for (; first < p.n_w; ++first) {
    for (int64_t j = 0; j < p.n_x; ++j) {
      multiply_rows<Format, 1, 1>(
          {p.w, p.w_stride_bytes, p.n_w, p.x + j, 1, p.k, p.out + j * p.out_stride, 0}, first,
          scales);
    }
  }
}

template <class Format>
void multiply(const FusedProduct& p) {
  multiply_with<Format>(p, Unscaled());
}

void multiply_blocks(const BlocksProduct& p) {
  multiply_with<F8E4m3>(p.rows, BlocksOfColumns(p.scales, p.block_cols));
}

// ---- A panel of decoded rows times many rows of x -----------------------------------------------

static_assert(kPanelRows % kTileW == 0 && kLanes % kRegLanes == 0 && kLanes == 16);

// n_x by kTileW sums, one register of their lanes at a time. w[i] and x[j] point at the first lane
// of that register.
template <int n_x>
HADAL_INLINE void multiply_tile(const float* w, int64_t w_stride, const float* const* x,
                                int64_t x_offset, int64_t n_lines, float* sums) {
  Reg sum[unsigned{n_x}][kTileW];
  HADAL_UNROLL
  for (int j = 0; j < n_x; ++j) {
    HADAL_UNROLL
    for (int r = 0; r < kTileW; ++r) sum[j][r] = zero_reg();
  }
  const float* rows[unsigned{n_x}];
  for (int j = 0; j < n_x; ++j) rows[j] = x[j] + x_offset;
  for (int64_t line = 0; line < n_lines; ++line) {
    Reg ws[kTileW];
    HADAL_UNROLL
    for (int r = 0; r < kTileW; ++r) ws[r] = load_reg(w + r * w_stride + line * kLanes);
    HADAL_UNROLL
    for (int j = 0; j < n_x; ++j) {
      const Reg xj = load_reg(rows[j] + line * kLanes);
      HADAL_UNROLL
      for (int r = 0; r < kTileW; ++r) sum[j][r] = fma_reg(ws[r], xj, sum[j][r]);
    }
  }
  HADAL_UNROLL
  for (int j = 0; j < n_x; ++j) {
    HADAL_UNROLL
    for (int r = 0; r < kTileW; ++r) {
      float* to = sums + (j * kPanelRows + r) * kLanes;
      store_reg(to, add_reg(load_reg(to), sum[j][r]));
    }
  }
}

template <int n_x>
void multiply_tiles(const PanelProduct& p, int64_t first_x) {
  const int64_t n_lines = p.k / kLanes;
  for (int first_w = 0; first_w < kPanelRows; first_w += kTileW) {
    for (int lane = 0; lane < kLanes; lane += kRegLanes) {
      multiply_tile<n_x>(p.w + first_w * p.w_stride + lane, p.w_stride, p.x + first_x,
                         p.x_offset + lane, n_lines,
                         p.sums + (first_x * kPanelRows + first_w) * kLanes + lane);
    }
  }
}

// The last k % kLanes elements: neither the panel nor x may be read beyond its end.
void multiply_panel_rest(const PanelProduct& p) {
  const int64_t done = p.k / kLanes * kLanes, rest = p.k - done;
  Floats w[kPanelRows];
  for (int r = 0; r < kPanelRows; ++r) w[r] = load_part(p.w + r * p.w_stride + done, rest);
  for (int64_t j = 0; j < p.n_x; ++j) {
    const Floats x = load_part(p.x[j] + p.x_offset + done, rest);
    for (int r = 0; r < kPanelRows; ++r) {
      float* sum = p.sums + (j * kPanelRows + r) * kLanes;
      store(sum, fma(w[r], x, load(sum)));
    }
  }
}

void multiply_panel(const PanelProduct& p) {
  int64_t j = 0;
  for (; j + kTileX <= p.n_x; j += kTileX) multiply_tiles<kTileX>(p, j);
  switch (p.n_x - j) {
    case 5: multiply_tiles<5>(p, j); break;
    case 4: multiply_tiles<4>(p, j); break;
    case 3: multiply_tiles<3>(p, j); break;
    case 2: multiply_tiles<2>(p, j); break;
    case 1: multiply_tiles<1>(p, j); break;
    default: break;
  }
  if (p.k % kLanes != 0) multiply_panel_rest(p);
}

void add_lanes(const float* sums, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = add_up(load(sums + i * kLanes));
}

// ---- Sums of rows with factors ------------------------------------------------------------------

template <int n_sums, int n_regs>
HADAL_INLINE void add_weighted_tile(const WeightedRows& p, int64_t first_sum, int64_t first_col) {
  Reg sum[unsigned{n_sums}][unsigned{n_regs}];
  const float* factors[unsigned{n_sums}];
  float* sums[unsigned{n_sums}];
  HADAL_UNROLL
  for (int j = 0; j < n_sums; ++j) {
    factors[j] = p.factors[first_sum + j] + p.factor_offset;
    sums[j] = p.sums[first_sum + j] + p.sum_offset + first_col;
    HADAL_UNROLL
    for (int c = 0; c < n_regs; ++c) sum[j][c] = load_reg(sums[j] + c * kRegLanes);
  }
  const float* row = p.rows + first_col;
  for (int64_t r = 0; r < p.n_rows; ++r, row += p.row_stride) {
    Reg cols[unsigned{n_regs}];
    HADAL_UNROLL
    for (int c = 0; c < n_regs; ++c) cols[c] = load_reg(row + c * kRegLanes);
    HADAL_UNROLL
    for (int j = 0; j < n_sums; ++j) {
      const Reg factor = broadcast_reg(factors[j][r]);
      HADAL_UNROLL
      for (int c = 0; c < n_regs; ++c) sum[j][c] = fma_reg(factor, cols[c], sum[j][c]);
    }
  }
  HADAL_UNROLL
  for (int j = 0; j < n_sums; ++j) {
    HADAL_UNROLL
    for (int c = 0; c < n_regs; ++c) store_reg(sums[j] + c * kRegLanes, sum[j][c]);
  }
}

template <int n_sums>
void add_weighted_tiles(const WeightedRows& p, int64_t first_sum) {
  constexpr int n_regs = n_sums == 1 ? 2 * kTileCols : kTileCols;
  int64_t c = 0;
  for (; c + n_regs * kRegLanes <= p.n_cols; c += n_regs * kRegLanes)
    add_weighted_tile<n_sums, n_regs>(p, first_sum, c);
  for (; c + kRegLanes <= p.n_cols; c += kRegLanes) add_weighted_tile<n_sums, 1>(p, first_sum, c);
  if (c == p.n_cols) return;
  for (int j = 0; j < n_sums; ++j) {  // columns that fill no register
    float* sum = p.sums[first_sum + j] + p.sum_offset + c;
    const float* factors = p.factors[first_sum + j] + p.factor_offset;
    Floats all = load_part(sum, p.n_cols - c);
    for (int64_t r = 0; r < p.n_rows; ++r)
      all = fma(broadcast(factors[r]), load_part(p.rows + r * p.row_stride + c, p.n_cols - c), all);
    store_part(sum, p.n_cols - c, all);
  }
}

void add_weighted_rows(const WeightedRows& p) {
  int64_t j = 0;
  for (; j + kTileSums <= p.n_sums; j += kTileSums) add_weighted_tiles<kTileSums>(p, j);
  for (; j < p.n_sums; ++j) add_weighted_tiles<1>(p, j);
}

// ---- Element by element -------------------------------------------------------------------------

// e^x to about two units in the last place: 2^n * e^r with |r| <= ln(2) / 2. Nothing below e^-87.7,
// infinite above e^88.3; a NaN stays one.
HADAL_INLINE Floats exp(Floats x) {
  x = clamp(x, -88.0f, 89.0f);
  const Floats magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to whole numbers
  const Floats n = sub(fma(x, broadcast(1.44269504f), magic), magic);
  Floats r = fma(n, broadcast(-0.693359375f), x);  // ln(2) in two parts, the first short and exact
  r = fma(n, broadcast(2.12194440e-4f), r);
  Floats y = broadcast(1.9875691500e-4f);
  y = fma(y, r, broadcast(1.3981999507e-3f));
  y = fma(y, r, broadcast(8.3334519073e-3f));
  y = fma(y, r, broadcast(4.1665795894e-2f));
  y = fma(y, r, broadcast(1.6666665459e-1f));
  y = fma(y, r, broadcast(5.0000001201e-1f));
  y = add(fma(mul(r, r), y, r), broadcast(1.0f));
  return times_power_of_two(y, n);
}

// Calls body(i, n) for every line of sixteen, n < 16 only at the end.
template <class Body>
HADAL_INLINE void for_each_line(int64_t n, Body&& body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(i, int64_t{16});
  if (i < n) body(i, n - i);
}
HADAL_INLINE Floats load_line(const float* p, int64_t n) {
  return n == 16 ? load(p) : load_part(p, n);
}
HADAL_INLINE void store_line(float* p, int64_t n, Floats x) {
  if (n == 16) return store(p, x);
  store_part(p, n, x);
}

float sum_of_squares(const float* x, int64_t n) {
  Floats sum = broadcast(0.0f);
  for_each_line(n, [&](int64_t i, int64_t m) {
    const Floats v = load_line(x + i, m);
    sum = fma(v, v, sum);
  });
  return add_up(sum);
}

void scale(const float* x, float factor, const float* gain, int64_t n, float* out) {
  const Floats f = broadcast(factor);
  for_each_line(n, [&](int64_t i, int64_t m) {
    store_line(out + i, m, mul(mul(load_line(x + i, m), f), load_line(gain + i, m)));
  });
}

void swiglu(const float* gate, const float* up, int64_t n, float* out) {
  const Floats zero = broadcast(0.0f), one = broadcast(1.0f);
  for_each_line(n, [&](int64_t i, int64_t m) {
    const Floats z = load_line(gate + i, m);
    const Floats silu = div(z, add(one, exp(sub(zero, z))));
    store_line(out + i, m, mul(silu, load_line(up + i, m)));
  });
}

float exp_and_sum(float* x, float largest, int64_t n) {
  Floats sum = broadcast(0.0f);
  const Floats top = broadcast(largest);
  for_each_line(n, [&](int64_t i, int64_t m) {
    const Floats e = exp(sub(load_line(x + i, m), top));
    store_line(x + i, m, e);
    sum = add(sum, m == 16 ? e : load_part(x + i, m));
  });
  return add_up(sum);
}

constexpr auto blocks_kernel() { return kHasFusedProducts ? &multiply_blocks : nullptr; }

template <class Format>
constexpr FormatKernels kernels_of() {
  if constexpr (kHasFusedProducts) return {decode<Format>, multiply<Format>};
  return {decode<Format>, nullptr};
}

}  // namespace

// In the order of enum Format; then the kernels in 8 bits of int8_products.hpp, or {} and null.
#define HADAL_KERNELS(name, int8_kernels, round_to_int8)                                         \
  {                                                                                              \
    name, {kernels_of<F32>(),    kernels_of<F16>(),   kernels_of<Bf16>(),  kernels_of<Q4_0>(),   \
           kernels_of<Q4_1>(),   kernels_of<Q5_0>(),  kernels_of<Q5_1>(),  kernels_of<Q8_0>(),   \
           kernels_of<Iq4Nl>(),  kernels_of<Mxfp4>(), kernels_of<Q2K>(),   kernels_of<Q3K>(),    \
           kernels_of<Q4K>(),    kernels_of<Q5K>(),   kernels_of<Q6K>(),   kernels_of<Iq4Xs>(),  \
           kernels_of<Iq2Xxs>(), kernels_of<Iq2Xs>(), kernels_of<Iq2S>(),  kernels_of<Iq3Xxs>(), \
           kernels_of<Iq3S>(),   kernels_of<Iq1S>(),  kernels_of<Iq1M>(),  kernels_of<Tq1_0>(),  \
           kernels_of<Tq2_0>(),  kernels_of<Nvfp4>(), kernels_of<F8E4m3>()},                     \
        int8_kernels, round_to_int8, blocks_kernel(), multiply_panel, add_lanes,                 \
        add_weighted_rows, sum_of_squares, scale, swiglu, exp_and_sum,                           \
  }
