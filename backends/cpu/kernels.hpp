// The inner loops of the cpu backend as a table of functions, one table per instruction set. Plain
// structs only: files under isa/ include this one and iq_books.hpp and nothing else of the project.
//
// All of them keep one rule, which gives every row of a result the same bits in whatever batch it
// comes and however the work is split. A sum over the inner dimension k has kLanes partial sums;
// sum i takes the elements i, i + kLanes, ... The elements are taken in stretches of kPanelCols:
// each is summed from zero on and then added, which keeps long sums exact; the last k % kLanes
// elements come after that. At the end the partial sums are added in pairs 8 apart, 4 apart, 2
// apart, 1 apart. AVX2, AVX-512 and NEON thus agree to the bit; the scalar kernels have no fused
// multiply-add and differ in the last places.
#pragma once

#include <cstdint>

namespace hadal::cpu {

inline constexpr int kLanes = 16;
inline constexpr int kPanelRows = 8;  // rows of a weight that are decoded together
inline constexpr int kPanelCols =
    512;  // of each row at a time: such a panel stays in the L1 cache; see above
inline constexpr int kFusedRows = 2;  // rows of x up to which decoding into registers pays

// The block formats that have fast decoders; the others go through decode_row().
enum Format {
  kFormatF32,
  kFormatF16,
  kFormatBf16,
  kFormatQ4_0,
  kFormatQ4_1,
  kFormatQ5_0,
  kFormatQ5_1,
  kFormatQ8_0,
  kFormatIq4Nl,
  kFormatMxfp4,
  kFormatQ2K,
  kFormatQ3K,
  kFormatQ4K,
  kFormatQ5K,
  kFormatQ6K,
  kFormatIq4Xs,
  kFormatIq2Xxs,
  kFormatIq2Xs,
  kFormatIq2S,
  kFormatIq3Xxs,
  kFormatIq3S,
  kFormatIq1S,
  kFormatIq1M,
  kFormatTq1_0,
  kFormatTq2_0,
  kFormatNvfp4,
  kFormatF8E4m3,
  kFormatCount,
};

// Rows of a weight, decoded on the way, times one to kFusedRows rows of x.
struct FusedProduct {
  const uint8_t* w;
  int64_t w_stride_bytes;
  int64_t n_w;
  const float* const* x;  // [n_x] rows of k elements
  int64_t n_x;
  int64_t k;
  float* out;  // [n_x] rows of n_w elements
  int64_t out_stride;
};

// The same for rows of f8_e4m3 out of one row of blocks: each has a scale for block_cols columns, a
// multiple of kLanes, which every element is multiplied with before anything else.
struct BlocksProduct {
  FusedProduct rows;
  const float* scales;
  int64_t block_cols;
};

// Decoded rows times any number of rows of x, added to partial sums.
struct PanelProduct {
  const float* w;  // kPanelRows rows of k elements
  int64_t w_stride;
  const float* const* x;  // [n_x]; each is read from x_offset on
  int64_t x_offset;
  int64_t n_x;
  int64_t k;
  float* sums;  // [n_x][kPanelRows][kLanes], aligned to 64 bytes
};

// sums[j][c] += factors[j][0] * rows[0][c], then factors[j][1] * rows[1][c], ...
struct WeightedRows {
  const float* rows;
  int64_t row_stride;
  int64_t n_rows;
  const float* const* factors;  // [n_sums]; each is read from factor_offset on
  int64_t factor_offset;
  float* const* sums;  // [n_sums] rows; each is written from sum_offset on
  int64_t sum_offset;
  int64_t n_sums;
  int64_t n_cols;
};

struct FormatKernels {
  // n elements, whole blocks, to the bits of decode_row().
  void (*decode)(const uint8_t* from, int64_t n, float* to);
  void (*multiply)(const FusedProduct& p);  // null where decoding into a panel is as good
};

// ---- Products in 8 bits -------------------------------------------------------------------------
//
// Block formats hold small whole numbers with scales, so most of a product can be whole numbers
// too, if x is rounded to 8 bits: level = round(x / scale), scale = largest |x| of kStretch columns
// / 127. A product is then
//   block = sum over sub-blocks of (sum of weight level * x level) * weight scale,
//   out += block * x scale,
// one stretch after the other,
// where the sums of levels are exact and the rest is f32, in this order; scales that are whole
// numbers themselves (q2_k, q3_k) belong to the exact part. Hence again the same bits in whatever
// batch a row comes and however the work is split, and on AVX2, AVX-512 and NEON alike.

inline constexpr int kStretch = 256;
inline constexpr int kInt8Rows = 32;  // rows of a weight that are decoded together

// kStretch columns of a row of x; levels beyond the end of the row are 0.
struct alignas(64) Int8Stretch {
  int8_t levels[kStretch];
  int8_t levels_by_halves[kStretch];  // 32 of the first half, 32 of the second, ...
  int16_t sums_of_16[16];             // of the levels 16 * i to 16 * i + 15
  int16_t sums_of_32[8];
  // As weights whose levels have an offset want them.
  int32_t minus_sums_of_16[16];
  int32_t minus_sums_of_32[8];
  int32_t minus_sum;
  float scale;
};

// Rows of a weight times one row of x.
struct Int8RowProduct {
  const uint8_t* w;
  int64_t w_stride_bytes;
  int64_t n_w;
  const Int8Stretch* x;
  int64_t k;            // a multiple of the block of the format
  float* out;           // [n_w]
  const uint8_t* next;  // what will be read after these rows, to be fetched ahead
};

// Some columns of at most kInt8Rows rows times those of n_x rows of x. What the rows are decoded
// into is the caller's, to be reused.
struct Int8PanelProduct {
  const uint8_t* w;  // from the first of the columns on
  int64_t w_stride_bytes;
  int64_t n_w;
  const Int8Stretch* const* x;  // [n_x], from their first columns on
  int64_t n_x;
  int64_t first_stretch;  // of x
  int64_t k;
  void* panel;          // kInt8PanelBytes, aligned to 64
  float* sums;          // [n_x][kInt8Rows], aligned to 64: what is added to
  const uint8_t* next;  // what will be read after these rows, to be fetched ahead
};
// Levels, then for at most 16 sub-blocks a scale and half a min or for 8 a min, then one of each.
inline constexpr int kInt8PanelBytes = kInt8Rows * (kStretch + 16 * 4 + 8 * 4 + 8);

struct Int8Kernels {
  void (*multiply_row)(const Int8RowProduct& p);  // null where the format has none
  void (*multiply_panel)(const Int8PanelProduct& p);
  // As multiply_row(), in whatever order is fastest: close, but not the same bits. May be null.
  void (*stream_rows)(const Int8RowProduct& p);
};

// ---- Products of bf16 ---------------------------------------------------------------------------
//
// Sums are f32, but added two products at a time: close to what the rest of the kernels give for
// the same values, and not the same bits. Of attention, with rows of the latent cache, and of
// weights in bf16 and f8_e4m3; x is rounded to bf16 for them.

// out[j][i] = q[j] . rows[i]
struct Bf16Scores {
  const uint16_t* rows;
  int64_t row_stride;
  int64_t n_rows;  // rounded up to a multiple of 4 there must be memory and room in `out`
  const uint16_t* q;
  int64_t q_stride;
  int64_t n_q;
  int64_t k;  // a multiple of kBf16Cols
  float* out;
  int64_t out_stride;
  const uint16_t* next;  // as many rows that will be read after these, to be fetched ahead
};

// sums[j][c] += factors[j][0] * rows[0][c] + factors[j][1] * rows[1][c], ...
struct Bf16WeightedRows {
  const uint16_t* rows;
  int64_t row_stride;
  int64_t n_rows;
  const uint16_t* factors;  // [n_sums], each with a number more where n_rows is odd
  int64_t factor_stride;
  float* const* sums;
  int64_t n_sums;
  int64_t n_cols;  // a multiple of kBf16Cols
};
inline constexpr int64_t kBf16Cols = 32;

// Rows of a weight times rows of x. Row i of x begins x_stride * i numbers on; it has zeros from k
// to the next multiple of 64.
struct Bf16Product {
  const uint8_t* w;
  int64_t w_stride_bytes;
  int64_t n_w;
  const uint16_t* x;
  int64_t x_stride;
  int64_t n_x;
  int64_t k;
  float* out;  // [n_x] rows of n_w elements
  int64_t out_stride;
  const uint8_t* next;  // what will be read after these rows, to be fetched ahead
  uint16_t* panel;      // [kE4m3PanelRows][kBf16Stretch], aligned to 64; of f8_e4m3 only
};
inline constexpr int64_t kBf16Stretch = 2048;  // columns that are summed together
inline constexpr int64_t kBf16PanelRows = 32;  // rows of a weight that stay in the L2 cache,
inline constexpr int64_t kE4m3PanelRows = 16;  // and that are decoded together

struct Bf16Kernels {
  void (*round)(const float* x, int64_t n, uint16_t* to);
  // Returns the sum of what was written.
  float (*round_and_sum)(const float* x, int64_t n, uint16_t* to);
  // x[i] *= factor; returns the largest of them and `least`.
  float (*scale_and_find_largest)(float* x, float factor, int64_t n, float least);
  void (*score)(const Bf16Scores& p);
  void (*add_weighted_rows)(const Bf16WeightedRows& p);
  // x as multiply_e4m3() wants it: the columns in its order, each times the scale of its block of
  // block_cols columns, a multiple of 64; zeros to the next multiple of 64. No scales: all are 1.
  void (*round_for_e4m3)(const float* x, int64_t n, const float* scales, int64_t block_cols,
                         uint16_t* to);
  void (*multiply_bf16)(const Bf16Product& p);
  void (*multiply_e4m3)(const Bf16Product& p);
};

struct Kernels {
  const char* name;
  FormatKernels formats[kFormatCount];
  Int8Kernels int8_formats[kFormatCount];
  // n columns of x, rounded; ceil(n / kStretch) of `to`.
  void (*round_to_int8)(const float* x, int64_t n, Int8Stretch* to);
  void (*multiply_blocks)(const BlocksProduct& p);  // may be null, as FormatKernels::multiply
  void (*multiply_panel)(const PanelProduct& p);
  // out[i] = the sum of the kLanes partial sums at sums + i * kLanes
  void (*add_lanes)(const float* sums, int64_t n, float* out);
  void (*add_weighted_rows)(const WeightedRows& p);
  float (*sum_of_squares)(const float* x, int64_t n);
  // out[i] = x[i] * factor * gain[i]; out may be x
  void (*scale)(const float* x, float factor, const float* gain, int64_t n, float* out);
  // out[i] = silu(gate[i]) * up[i]; out may be gate
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* out);
  // x[i] = e^(x[i] - largest); returns their sum
  float (*exp_and_sum)(float* x, float largest, int64_t n);
  const Bf16Kernels* bf16 = nullptr;  // null where the machine has no instructions for them
};

extern const Kernels kScalarKernels;
#ifdef HADAL_CPU_X86
extern const Kernels kAvx2Kernels;
extern const Kernels kAvxVnniKernels;
extern const Kernels kAvx512Kernels;
extern const Bf16Kernels kAvx512Bf16Kernels;
#endif
#ifdef HADAL_CPU_ARM
extern const Kernels kNeonKernels;
#endif

}  // namespace hadal::cpu
