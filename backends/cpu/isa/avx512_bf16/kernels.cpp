// Products of bf16, with the instructions of AVX512_BF16: Zen 4, Sapphire Rapids. They add two
// products at a time to a sum in f32, one after the other, denormals as zeros. Here those of
// attention; those of weights are in products.hpp.
#include "backends/cpu/kernels.hpp"
#include "backends/cpu/isa/avx512_bf16/products.hpp"
#include "backends/cpu/isa/avx512_bf16/vec.hpp"

namespace {

using hadal::cpu::Bf16Scores;
using hadal::cpu::Bf16WeightedRows;

// Rounds at most 16, stores them, and returns what they became.
HADAL_INLINE __m512 round_some(const float* x, __mmask16 which, uint16_t* to) {
  const auto rounded = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(which, x));
  _mm256_mask_storeu_epi16(to, which, rounded);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16));
}

void round_to_bf16(const float* x, int64_t n, uint16_t* to) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(x + i));
    _mm512_storeu_si512(to + i, (__m512i)both);
  }
  for (; i < n; i += 16) round_some(x + i, first_of_sixteen(n - i), to + i);
}

float round_and_sum(const float* x, int64_t n, uint16_t* to) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += 16)
    sum = _mm512_add_ps(sum, round_some(x + i, first_of_sixteen(n - i), to + i));
  return _mm512_reduce_add_ps(sum);
}

// Where one of two is NaN the maximum is the second.
float scale_and_find_largest(float* x, float factor, int64_t n, float least) {
  const __m512 f = _mm512_set1_ps(factor);
  __m512 largest = _mm512_set1_ps(least);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 which = first_of_sixteen(n - i);
    const __m512 scaled = _mm512_mul_ps(_mm512_maskz_loadu_ps(which, x + i), f);
    _mm512_mask_storeu_ps(x + i, which, scaled);
    largest = _mm512_mask_max_ps(largest, which, scaled, largest);
  }
  return _mm512_reduce_max_ps(largest);
}

constexpr int kTile = 4;  // rows, and queries

template <int n_q>
HADAL_INLINE void score_tile(const Bf16Scores& p, const uint16_t* rows, const uint16_t* q,
                             float* out, const uint16_t* fetch) {
  __m512 sums[kTile * kTile];
  HADAL_UNROLL
  for (int i = 0; i < kTile * kTile; ++i) sums[i] = _mm512_setzero_ps();
  for (int64_t k = 0; k < p.k; k += 32) {
    __builtin_prefetch(fetch + k, 0, 2);  // to L2
    __m512i r[kTile];
    HADAL_UNROLL
    for (int i = 0; i < kTile; ++i) r[i] = load(rows + i * p.row_stride + k);
    HADAL_UNROLL
    for (int j = 0; j < n_q; ++j) {
      const __m512i qj = load(q + j * p.q_stride + k);
      HADAL_UNROLL
      for (int i = 0; i < kTile; ++i) sums[kTile * j + i] = dot(sums[kTile * j + i], r[i], qj);
    }
  }
  const __m512 all = sums_of_sixteen(sums);
  HADAL_UNROLL
  for (int j = 0; j < n_q; ++j) {
    const auto of_query = static_cast<__mmask16>(0xf << (kTile * j));
    _mm512_mask_compressstoreu_ps(out + j * p.out_stride, of_query, all);
  }
}

// Every tile fetches a row of those that come next: memory is asked all the time, and not only
// while rows are read for the first time.
void score(const Bf16Scores& p) {
  for (int64_t i = 0; i < p.n_rows; i += kTile) {
    const uint16_t* rows = p.rows + i * p.row_stride;
    const auto tile = [&]<int n_q>(int64_t j) HADAL_LAMBDA {
      const int64_t fetched = at_most(i + j / kTile, p.n_rows - 1);
      score_tile<n_q>(p, rows, p.q + j * p.q_stride, p.out + j * p.out_stride + i,
                      p.next + fetched * p.row_stride);
    };
    int64_t j = 0;
    for (; j + kTile <= p.n_q; j += kTile) tile.template operator()<kTile>(j);
    for (; j < p.n_q; ++j) tile.template operator()<1>(j);
  }
}

// Columns first to first + 31 of n_sums sums. Two rows at a time side by side: that puts columns
// 0 to 3, 8 to 11, ... into one register and the others into a second.
template <int n_sums>
HADAL_INLINE void add_weighted_tile(const Bf16WeightedRows& p, int64_t first_sum, int64_t first) {
  __m512 low[unsigned{n_sums}], high[unsigned{n_sums}];
  HADAL_UNROLL
  for (int j = 0; j < n_sums; ++j) low[j] = high[j] = _mm512_setzero_ps();
  const uint16_t* row = p.rows + first;
  const uint16_t* factors = p.factors + first_sum * p.factor_stride;
  const auto add = [&](__m512i a, __m512i b, int64_t r) HADAL_LAMBDA {
    const __m512i lows = _mm512_unpacklo_epi16(a, b), highs = _mm512_unpackhi_epi16(a, b);
    HADAL_UNROLL
    for (int j = 0; j < n_sums; ++j) {
      int32_t two;
      __builtin_memcpy(&two, factors + j * p.factor_stride + r, sizeof two);
      const __m512i both = _mm512_set1_epi32(two);
      low[j] = dot(low[j], lows, both);
      high[j] = dot(high[j], highs, both);
    }
  };
  int64_t r = 0;
  for (; r + 2 <= p.n_rows; r += 2, row += 2 * p.row_stride)
    add(load(row), load(row + p.row_stride), r);
  if (r < p.n_rows) add(load(row), _mm512_setzero_si512(), r);

  const __m512i first_half =
      _mm512_set_epi32(23, 22, 21, 20, 7, 6, 5, 4, 19, 18, 17, 16, 3, 2, 1, 0);
  const __m512i second_half = _mm512_add_epi32(first_half, _mm512_set1_epi32(8));
  HADAL_UNROLL
  for (int j = 0; j < n_sums; ++j) {
    float* to = p.sums[first_sum + j] + first;
    const __m512 a = _mm512_permutex2var_ps(low[j], first_half, high[j]);
    const __m512 b = _mm512_permutex2var_ps(low[j], second_half, high[j]);
    _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), a));
    _mm512_storeu_ps(to + 16, _mm512_add_ps(_mm512_loadu_ps(to + 16), b));
  }
}

void add_weighted_rows(const Bf16WeightedRows& p) {
  constexpr int kSums = 8;
  for (int64_t c = 0; c < p.n_cols; c += 32) {
    int64_t j = 0;
    for (; j + kSums <= p.n_sums; j += kSums) add_weighted_tile<kSums>(p, j, c);
    for (; j + 4 <= p.n_sums; j += 4) add_weighted_tile<4>(p, j, c);
    for (; j < p.n_sums; ++j) add_weighted_tile<1>(p, j, c);
  }
}

}  // namespace

namespace hadal::cpu {

const Bf16Kernels kAvx512Bf16Kernels = {round_to_bf16, round_and_sum,     scale_and_find_largest,
                                        score,         add_weighted_rows, round_for_e4m3,
                                        multiply_bf16, multiply_e4m3};

}  // namespace hadal::cpu
