// Rows of a weight in bf16 or f8_e4m3 times rows of x in bf16; see kernels.hpp. Whatever the number
// of rows of x, a result is summed in one order: sixteen sums of pairs of columns, 32 columns
// apart, over kBf16Stretch columns, added up as sums_of_sixteen() does; then one stretch after the
// other.
#pragma once

#include "backends/cpu/isa/avx512_bf16/vec.hpp"
#include "backends/cpu/kernels.hpp"

namespace {

using hadal::cpu::Bf16Product;
using hadal::cpu::kBf16PanelRows;
using hadal::cpu::kBf16Stretch;

constexpr int kProductW = 4;  // rows of a weight in a tile,
constexpr int kProductX = 6;  // and of x at most

struct RowsOfTile {
  const uint8_t* row[kProductW];
  int64_t n;  // what counts; rows past them are the last once more

  HADAL_INLINE RowsOfTile(const uint8_t* first, int64_t stride, int64_t n_rows)
      : n(n_rows < kProductW ? n_rows : kProductW) {
    for (int64_t i = 0; i < kProductW; ++i) row[i] = first + (i < n ? i : n - 1) * stride;
  }
};

// Where the results of a tile go, and whether they are added to what is there.
struct ResultsOfTile {
  float* out;
  int64_t stride;
  int64_t n_w;
  bool is_added;
};

template <int n_x>
HADAL_INLINE void store_sums(const __m512* sums, const ResultsOfTile& to) {
  const auto which = static_cast<__mmask8>((1u << to.n_w) - 1);
  HADAL_UNROLL
  for (int j = 0; j < n_x; j += 4) {
    __m512 sixteen[16];
    HADAL_UNROLL
    for (int i = 0; i < 16; ++i)
      sixteen[i] = j + i / 4 < n_x ? sums[kProductW * j + i] : _mm512_setzero_ps();
    const __m512 all = sums_of_sixteen(sixteen);
    const auto store = [&](int q, __m128 four) HADAL_LAMBDA {
      if (j + q >= n_x) return;
      float* at = to.out + (j + q) * to.stride;
      if (to.is_added) four = _mm_add_ps(_mm_maskz_loadu_ps(which, at), four);
      _mm_mask_storeu_ps(at, which, four);
    };
    store(0, _mm512_castps512_ps128(all));
    store(1, _mm512_extractf32x4_ps(all, 1));
    store(2, _mm512_extractf32x4_ps(all, 2));
    store(3, _mm512_extractf32x4_ps(all, 3));
  }
}

// kProductW rows of bf16 times n_x rows of x. On the way n_fetched rows, fetch_stride apart, are
// fetched from memory.
template <int n_x, int n_fetched>
HADAL_INLINE void multiply_bf16_tile(const RowsOfTile& w, int64_t n_cols, const uint16_t* x,
                                     int64_t x_stride, const uint8_t* fetch, int64_t fetch_stride,
                                     const ResultsOfTile& to) {
  __m512 sums[unsigned{n_x * kProductW}];
  HADAL_UNROLL
  for (int i = 0; i < n_x * kProductW; ++i) sums[i] = _mm512_setzero_ps();
  const auto add = [&](const __m512i* rows, int64_t k) HADAL_LAMBDA {
    HADAL_UNROLL
    for (int j = 0; j < n_x; ++j) {
      const __m512i xj = load(x + j * x_stride + k);
      HADAL_UNROLL
      for (int i = 0; i < kProductW; ++i)
        sums[kProductW * j + i] = dot(sums[kProductW * j + i], rows[i], xj);
    }
  };
  int64_t k = 0;
  for (; k + 32 <= n_cols; k += 32) {
    HADAL_UNROLL
    for (int i = 0; i < n_fetched; ++i)
      __builtin_prefetch(fetch + i * fetch_stride + 2 * k, 0, 2);  // to L2
    __m512i rows[kProductW];
    HADAL_UNROLL
    for (int i = 0; i < kProductW; ++i) rows[i] = _mm512_loadu_si512(w.row[i] + 2 * k);
    add(rows, k);
  }
  if (k < n_cols) {
    const auto rest = static_cast<__mmask32>((1u << (n_cols - k)) - 1);
    __m512i rows[kProductW];
    HADAL_UNROLL
    for (int i = 0; i < kProductW; ++i) rows[i] = _mm512_maskz_loadu_epi16(rest, w.row[i] + 2 * k);
    add(rows, k);
  }
  store_sums<n_x>(sums, to);
}

// Calls tile<n>(first) for rows of x from 0 to n_x: as few tiles as there can be, none of them much
// smaller than the others.
template <class Tile>
HADAL_INLINE void for_tiles_of_x(int64_t n_x, Tile&& tile) {
  for (int64_t j = 0; j < n_x;) {
    const int64_t left = n_x - j, n_tiles = (left + kProductX - 1) / kProductX;
    const int64_t n = (left + n_tiles - 1) / n_tiles;
    switch (n) {
      case 1: tile.template operator()<1>(j); break;
      case 2: tile.template operator()<2>(j); break;
      case 3: tile.template operator()<3>(j); break;
      case 4: tile.template operator()<4>(j); break;
      case 5: tile.template operator()<5>(j); break;
      default: tile.template operator()<kProductX>(j);
    }
    j += n;
  }
}

HADAL_INLINE int64_t at_most(int64_t n, int64_t most) { return n < most ? n : most; }

// A row of the weight, or of what is read after it.
HADAL_INLINE const uint8_t* row_ahead(const Bf16Product& p, int64_t row) {
  return row < p.n_w ? p.w + row * p.w_stride_bytes : p.next + (row - p.n_w) * p.w_stride_bytes;
}

void multiply_bf16(const Bf16Product& p) {
  // A panel of rows stays in the L2 cache for all tiles of x; the panel after it is fetched
  // meanwhile, some rows of each group of kProductW by every one of the first tiles. Where there is
  // one tile only, memory is what binds, and what comes next is the next group.
  const int64_t n_tiles = (p.n_x + kProductX - 1) / kProductX;
  const int64_t rows_ahead = n_tiles == 1 ? kProductW : kBf16PanelRows;
  const int64_t rows_per_tile = n_tiles == 1 ? kProductW : n_tiles < kProductW ? 2 : 1;
  for (int64_t panel = 0; panel < p.n_w; panel += kBf16PanelRows) {
    const int64_t panel_end = at_most(panel + kBf16PanelRows, p.n_w);
    for (int64_t k = 0; k < p.k; k += kBf16Stretch) {
      const int64_t n_cols = at_most(p.k - k, kBf16Stretch);
      int64_t n_fetched = 0;  // rows of each group
      for_tiles_of_x(p.n_x, [&]<int n_x>(int64_t j) HADAL_LAMBDA {
        const uint16_t* x = p.x + j * p.x_stride + k;
        for (int64_t r = panel; r < panel_end; r += kProductW) {
          const RowsOfTile w(p.w + r * p.w_stride_bytes + 2 * k, p.w_stride_bytes, panel_end - r);
          const ResultsOfTile to = {p.out + j * p.out_stride + r, p.out_stride, w.n, k > 0};
          const uint8_t* ahead =
              row_ahead(p, r + rows_ahead) + n_fetched * p.w_stride_bytes + 2 * k;
          const auto multiply = [&]<int n>() HADAL_LAMBDA {
            multiply_bf16_tile<n_x, n>(w, n_cols, x, p.x_stride, ahead, p.w_stride_bytes, to);
          };
          if (n_fetched >= kProductW) {
            multiply.template operator()<0>();
          } else if (rows_per_tile == 1) {
            multiply.template operator()<1>();
          } else if (rows_per_tile == 2) {
            multiply.template operator()<2>();
          } else {
            multiply.template operator()<kProductW>();
          }
        }
        n_fetched += rows_per_tile;
      });
    }
  }
}

// ---- f8_e4m3 ------------------------------------------------------------------------------------
// Every code is a bf16. Of 64 columns the first register has, in fours of eight, those that begin
// at 0, 16, 32 and 48, the second those at 8, 24, 40 and 56: as bytes are put together most easily.

// The bits of the bf16 of a code of seven bits.
constexpr uint16_t bf16_of_e4m3(unsigned code) {
  const unsigned exponent = code >> 3, mantissa = code & 7;
  if (code == 0x7f) return 0x7fc0;
  if (exponent > 0) return static_cast<uint16_t>((exponent + 120) << 7 | mantissa << 4);
  if (mantissa == 0) return 0;
  unsigned shift = 0;  // until its first bit is where a normal number has one
  while ((mantissa << shift & 8) == 0) ++shift;
  return static_cast<uint16_t>((121 - shift) << 7 | (mantissa << shift & 7) << 4);
}
struct E4m3Table {
  alignas(64) uint8_t low[128] = {}, high[128] = {};
  constexpr E4m3Table() {
    for (unsigned code = 0; code < 128; ++code) {
      low[code] = static_cast<uint8_t>(bf16_of_e4m3(code) & 0xff);
      high[code] = static_cast<uint8_t>(bf16_of_e4m3(code) >> 8);
    }
  }
};
constexpr E4m3Table kE4m3Table;

struct E4m3Decoder {
  __m512i low[2], high[2];
  HADAL_INLINE E4m3Decoder() {
    for (int i = 0; i < 2; ++i) {
      low[i] = _mm512_load_si512(kE4m3Table.low + 64 * i);
      high[i] = _mm512_load_si512(kE4m3Table.high + 64 * i);
    }
  }
  HADAL_INLINE void decode(__m512i codes, __m512i* to) const {
    const __m512i lows = _mm512_permutex2var_epi8(low[0], codes, low[1]);
    // With the sign, the code's top bit.
    const __m512i highs =
        _mm512_ternarylogic_epi64(_mm512_permutex2var_epi8(high[0], codes, high[1]), codes,
                                  _mm512_set1_epi8(static_cast<char>(0x80)), 0xf8);  // a | (b & c)
    to[0] = _mm512_unpacklo_epi8(lows, highs);
    to[1] = _mm512_unpackhi_epi8(lows, highs);
  }
};
// The n codes of 64 that are there; the others are zeros.
HADAL_INLINE __m512i load_codes(const uint8_t* p, int64_t n) {
  if (n >= 64) return _mm512_loadu_si512(p);
  return _mm512_maskz_loadu_epi8((uint64_t{1} << n) - 1, p);
}

void round_for_e4m3(const float* x, int64_t n, const float* scales, int64_t block_cols,
                    uint16_t* to) {
  for (int64_t k = 0; k < n; k += 64) {
    const __m512 scale = _mm512_set1_ps(scales == nullptr ? 1.0f : scales[k / block_cols]);
    const auto sixteen = [&](int i) HADAL_LAMBDA {
      const int64_t left = n - k - 16 * i;
      const __mmask16 which = first_of_sixteen(left > 0 ? left : 0);
      return _mm512_mul_ps(_mm512_maskz_loadu_ps(which, x + k + 16 * i), scale);
    };
    const auto first = (__m512i)_mm512_cvtne2ps_pbh(sixteen(1), sixteen(0));
    const auto last = (__m512i)_mm512_cvtne2ps_pbh(sixteen(3), sixteen(2));
    _mm512_storeu_si512(to + k, _mm512_shuffle_i64x2(first, last, 0x88));
    _mm512_storeu_si512(to + k + 32, _mm512_shuffle_i64x2(first, last, 0xdd));
  }
}

// kProductW rows, decoded on the way, times n_x rows of x.
template <int n_x>
HADAL_INLINE void multiply_e4m3_tile(const E4m3Decoder& decoder, const RowsOfTile& w,
                                     int64_t n_cols, const uint16_t* x, int64_t x_stride,
                                     const uint8_t* fetch, int64_t fetch_stride,
                                     const ResultsOfTile& to) {
  __m512 sums[unsigned{n_x * kProductW}];
  HADAL_UNROLL
  for (int i = 0; i < n_x * kProductW; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t k = 0; k < n_cols; k += 64) {
    HADAL_UNROLL
    for (int i = 0; i < kProductW; ++i) {
      __builtin_prefetch(fetch + i * fetch_stride + k, 0, 2);
      __m512i decoded[2];
      decoder.decode(load_codes(w.row[i] + k, n_cols - k), decoded);
      HADAL_UNROLL
      for (int j = 0; j < n_x; ++j) {
        __m512& sum = sums[kProductW * j + i];
        sum = dot(sum, decoded[0], load(x + j * x_stride + k));
        sum = dot(sum, decoded[1], load(x + j * x_stride + k + 32));
      }
    }
  }
  store_sums<n_x>(sums, to);
}

void multiply_e4m3(const Bf16Product& p) {
  const E4m3Decoder decoder;
  if (p.n_x <= 2) {
    for (int64_t r = 0; r < p.n_w; r += kProductW) {
      for (int64_t k = 0; k < p.k; k += kBf16Stretch) {
        const int64_t n_cols = at_most(p.k - k, kBf16Stretch);
        const RowsOfTile w(p.w + r * p.w_stride_bytes + k, p.w_stride_bytes, p.n_w - r);
        const ResultsOfTile to = {p.out + r, p.out_stride, w.n, k > 0};
        const uint8_t* ahead = row_ahead(p, r + kProductW) + k;
        if (p.n_x == 1) {
          multiply_e4m3_tile<1>(decoder, w, n_cols, p.x + k, p.x_stride, ahead, p.w_stride_bytes,
                                to);
        } else {
          multiply_e4m3_tile<2>(decoder, w, n_cols, p.x + k, p.x_stride, ahead, p.w_stride_bytes,
                                to);
        }
      }
    }
    return;
  }
  constexpr int64_t kRows = hadal::cpu::kE4m3PanelRows;
  for (int64_t panel = 0; panel < p.n_w; panel += kRows) {
    const int64_t n_rows = at_most(p.n_w - panel, kRows);
    for (int64_t k = 0; k < p.k; k += kBf16Stretch) {
      const int64_t n_cols = at_most(p.k - k, kBf16Stretch), whole = (n_cols + 63) / 64 * 64;
      for (int64_t r = 0; r < n_rows; ++r) {
        const uint8_t* from = p.w + (panel + r) * p.w_stride_bytes + k;
        const uint8_t* ahead = row_ahead(p, panel + r + kRows) + k;
        uint16_t* to = p.panel + r * kBf16Stretch;
        for (int64_t i = 0; i < n_cols; i += 64) {
          __builtin_prefetch(ahead + i, 0, 2);
          __m512i decoded[2];
          decoder.decode(load_codes(from + i, n_cols - i), decoded);
          _mm512_storeu_si512(to + i, decoded[0]);
          _mm512_storeu_si512(to + i + 32, decoded[1]);
        }
      }
      for_tiles_of_x(p.n_x, [&]<int n_x>(int64_t j) HADAL_LAMBDA {
        for (int64_t r = 0; r < n_rows; r += kProductW) {
          const RowsOfTile w(reinterpret_cast<const uint8_t*>(p.panel + r * kBf16Stretch),
                             2 * kBf16Stretch, n_rows - r);
          multiply_bf16_tile<n_x, 0>(
              w, whole, p.x + j * p.x_stride + k, p.x_stride, nullptr, 0,
              {p.out + j * p.out_stride + panel + r, p.out_stride, w.n, k > 0});
        }
      });
    }
  }
}

}  // namespace
