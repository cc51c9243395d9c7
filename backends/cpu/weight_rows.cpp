// Products in 8 bits where the format has them, else in f32; and of each two ways to the same bits.
// Few rows of x: weights are decoded into registers and multiplied there; reading them is what
// takes the time. Many: a panel of the weight, a few rows of a few hundred elements, is decoded
// once into the L1 cache and multiplied with all of them.
#include "backends/cpu/weight_rows.hpp"

#include <cstring>
#include <optional>

#include "lib/tensor/block_formats.hpp"

namespace hadal::cpu {
namespace {

std::optional<Format> fast_format(DType dtype) {
  switch (dtype) {
    case DType::kF32: return kFormatF32;
    case DType::kF16: return kFormatF16;
    case DType::kBF16: return kFormatBf16;
    case DType::kQ4_0: return kFormatQ4_0;
    case DType::kQ4_1: return kFormatQ4_1;
    case DType::kQ5_0: return kFormatQ5_0;
    case DType::kQ5_1: return kFormatQ5_1;
    case DType::kQ8_0: return kFormatQ8_0;
    case DType::kIQ4_NL: return kFormatIq4Nl;
    case DType::kMXFP4: return kFormatMxfp4;
    case DType::kQ2_K: return kFormatQ2K;
    case DType::kQ3_K: return kFormatQ3K;
    case DType::kQ4_K: return kFormatQ4K;
    case DType::kQ5_K: return kFormatQ5K;
    case DType::kQ6_K: return kFormatQ6K;
    case DType::kIQ4_XS: return kFormatIq4Xs;
    case DType::kIQ2_XXS: return kFormatIq2Xxs;
    case DType::kIQ2_XS: return kFormatIq2Xs;
    case DType::kIQ2_S: return kFormatIq2S;
    case DType::kIQ3_XXS: return kFormatIq3Xxs;
    case DType::kIQ3_S: return kFormatIq3S;
    case DType::kIQ1_S: return kFormatIq1S;
    case DType::kIQ1_M: return kFormatIq1M;
    case DType::kTQ1_0: return kFormatTq1_0;
    case DType::kTQ2_0: return kFormatTq2_0;
    case DType::kNVFP4: return kFormatNvfp4;
    case DType::kF8_E4M3: return kFormatF8E4m3;
    default: return std::nullopt;
  }
}

const uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

// At most kPassRows rows of x and kPanelRows rows of the weight.
void multiply_panel_rows(const Kernels& kernels, const Desk& desk, const Weight& w, int64_t slice,
                         int64_t first, int64_t n, const float* const* x, int64_t n_x, float* out,
                         int64_t out_stride) {
  const size_t n_sums = static_cast<size_t>(n_x * kPanelRows * kLanes);
  std::memset(desk.sums, 0, n_sums * sizeof(float));
  if (n < kPanelRows) std::memset(desk.panel, 0, sizeof(float) * kPanelRows * kPanelCols);
  for (int64_t k = 0; k < w.cols; k += kPanelCols) {
    const int64_t n_k = std::min<int64_t>(kPanelCols, w.cols - k);
    for (int64_t r = 0; r < n; ++r) {
      decode_columns(kernels, w, slice, first + r, k, n_k, desk.panel + r * kPanelCols);
    }
    kernels.multiply_panel({desk.panel, kPanelCols, x, k, n_x, n_k, desk.sums});
  }
  for (int64_t j = 0; j < n_x; ++j)
    kernels.add_lanes(desk.sums + j * kPanelRows * kLanes, n, out + j * out_stride);
}

// A few rows of x, and rows of the weight as far as they share their scales.
void multiply_scaled_rows(const Kernels& kernels, const Weight& w, int64_t slice, int64_t first,
                          int64_t n, const InputRows& x, float* out, int64_t out_stride) {
  for (int64_t r = 0; r < n;) {
    const int64_t n_same = std::min(n - r, w.scales.rows_left(slice, first + r));
    kernels.multiply_blocks({{bytes(w.row(slice, first + r)), w.row_stride_bytes, n_same, x.floats,
                              x.n, w.cols, out + r, out_stride},
                             w.scales.row(slice, first + r),
                             w.scales.block_cols});
    r += n_same;
  }
}

// Columns gone through at a time: so many that n_x rows of x stay in the L2 cache, for the next
// panel to find them there. Of a stretch, 7 of 11 lines are read.
int64_t int8_block_cols(int64_t n_x, int64_t n_cols) {
  constexpr int64_t kXBytes = 256 << 10, kStretchBytes = 448;
  const int64_t n_stretches = (n_cols + kStretch - 1) / kStretch;
  const int64_t most = std::max<int64_t>(1, kXBytes / (kStretchBytes * n_x));
  const int64_t n_blocks = (n_stretches + most - 1) / most;
  return (n_stretches + n_blocks - 1) / n_blocks * kStretch;
}

// n rows of the weight, whose sums fit the desk, times n_x rows of x.
void multiply_int8_panels(const Int8Kernels& kernels, const Desk& desk, const Weight& w,
                          int64_t slice, int64_t first, int64_t n, const Int8Stretch* const* x,
                          int64_t n_x, float* out, int64_t out_stride, const std::byte* next) {
  const int64_t n_panels = (n + kInt8Rows - 1) / kInt8Rows, panel_sums = n_x * kInt8Rows;
  std::memset(desk.sums, 0, static_cast<size_t>(n_panels * panel_sums) * sizeof(float));
  const int64_t block = int8_block_cols(n_x, w.cols);
  for (int64_t k = 0; k < w.cols; k += block) {
    const int64_t n_cols = std::min(block, w.cols - k);
    const auto row = [&](int64_t r, int64_t col) {
      return w.row(slice, first + r) + row_bytes(w.dtype, col);
    };
    for (int64_t p = 0; p < n_panels; ++p) {
      const int64_t r = p * kInt8Rows;
      const std::byte* after = p + 1 < n_panels     ? row(r + kInt8Rows, k)
                               : k + block < w.cols ? row(0, k + block)
                                                    : next;
      kernels.multiply_panel({bytes(row(r, k)), w.row_stride_bytes,
                              std::min<int64_t>(kInt8Rows, n - r), x, n_x, k / kStretch, n_cols,
                              desk.panel, desk.sums + p * panel_sums, bytes(after)});
    }
  }
  for (int64_t i = 0; i < n_x; ++i) {
    for (int64_t r = 0; r < n; r += kInt8Rows) {
      std::memcpy(out + i * out_stride + r, desk.sums + (r * n_x) + i * kInt8Rows,
                  static_cast<size_t>(std::min<int64_t>(kInt8Rows, n - r)) * sizeof(float));
    }
  }
}

void multiply_int8_rows(const Int8Kernels& kernels, const Desk& desk, const Weight& w,
                        int64_t slice, int64_t first, int64_t n, const InputRows& x, float* out,
                        int64_t out_stride, const std::byte* next) {
  if (next == nullptr) next = w.row(slice, first + n);
  if (x.n == 1) {
    const auto multiply =
        kernels.stream_rows != nullptr ? kernels.stream_rows : kernels.multiply_row;
    multiply({bytes(w.row(slice, first)), w.row_stride_bytes, n, x.rounded[0], w.cols, out,
              bytes(next)});
    return;
  }
  static_assert(kInt8PanelBytes <= sizeof(float) * kPanelRows * kPanelCols);
  // Passes of about as many rows each.
  int64_t n_passes = (x.n + kInt8PassRows - 1) / kInt8PassRows;
  for (int64_t j = 0, n_x; j < x.n; j += n_x, --n_passes) {
    n_x = (x.n - j + n_passes - 1) / n_passes;
    const int64_t group = Desk::kSums / (n_x * kInt8Rows) * kInt8Rows;
    for (int64_t r = 0; r < n; r += group) {
      const int64_t n_w = std::min(group, n - r);
      multiply_int8_panels(kernels, desk, w, slice, first + r, n_w, x.rounded + j, n_x,
                           out + j * out_stride + r, out_stride,
                           r + n_w < n    ? w.row(slice, first + r + n_w)
                           : n_passes > 1 ? w.row(slice, first)
                                          : next);
    }
  }
}

bool multiplies_weight_in_bf16(const Kernels& kernels, const Weight& w) {
  if (kernels.bf16 == nullptr || w.decides || w.cols + 64 > kDeskBf16) return false;
  return w.dtype == DType::kBF16 || (w.dtype == DType::kF8_E4M3 &&
                                     (w.scales.data == nullptr || w.scales.block_cols % 64 == 0));
}

// x is rounded for every row of blocks of the weight anew where they have scales: those go with x,
// which costs as much for every product as for one.
void multiply_bf16_rows(const Bf16Kernels& kernels, const Desk& desk, const Weight& w,
                        int64_t slice, int64_t first, int64_t n, const InputRows& x, float* out,
                        int64_t out_stride, const std::byte* next) {
  const bool is_e4m3 = w.dtype == DType::kF8_E4M3, is_scaled = w.scales.data != nullptr;
  // Rows that do not begin at the same places of the L1 cache.
  const int64_t stride = (w.cols + 63) / 64 * 64 + (w.cols % 1024 == 0 ? 32 : 0);
  const int64_t pass = std::min(kPassRows, kDeskBf16 / stride);
  for (int64_t r = 0; r < n;) {
    const int64_t n_w = is_scaled ? std::min(n - r, w.scales.rows_left(slice, first + r)) : n - r;
    const std::byte* after = w.row(slice, first + r + n_w);
    const float* scales = is_scaled ? w.scales.row(slice, first + r) : nullptr;
    for (int64_t j = 0; j < x.n; j += pass) {
      const int64_t n_x = std::min(pass, x.n - j);
      for (int64_t i = 0; i < n_x; ++i) {
        uint16_t* to = desk.bf16 + i * stride;
        if (is_e4m3) {
          kernels.round_for_e4m3(x.floats[j + i], w.cols, scales, w.scales.block_cols, to);
        } else {
          kernels.round(x.floats[j + i], w.cols, to);
          std::memset(to + w.cols, 0, static_cast<size_t>(stride - w.cols) * sizeof(uint16_t));
        }
      }
      const auto multiply = is_e4m3 ? kernels.multiply_e4m3 : kernels.multiply_bf16;
      multiply({bytes(w.row(slice, first + r)), w.row_stride_bytes, n_w, desk.bf16, stride, n_x,
                w.cols, out + j * out_stride + r, out_stride,
                bytes(r + n_w == n && next != nullptr ? next : after), desk.e4m3_panel()});
    }
    r += n_w;
  }
}

}  // namespace

const Int8Kernels* int8_kernels(const Kernels& kernels, DType dtype) {
  const std::optional<Format> format = fast_format(dtype);
  if (!format) return nullptr;
  const Int8Kernels& found = kernels.int8_formats[*format];
  return found.multiply_row == nullptr ? nullptr : &found;
}

void decode(const Kernels& kernels, DType dtype, const std::byte* from, int64_t n, float* to) {
  if (const std::optional<Format> format = fast_format(dtype)) {
    kernels.formats[*format].decode(bytes(from), n, to);
  } else {
    decode_row(dtype, from, n, to);
  }
}

void decode_cache_row(const Kernels& kernels, const CacheRow& format, const std::byte* from,
                      float* to) {
  decode(kernels, format.latent, from, format.kv_lora_rank, to);
  decode(kernels, format.rope, from + format.latent_bytes(), format.qk_rope_head_dim,
         to + format.kv_lora_rank);
}

bool multiplies_in_bf16(const Kernels& kernels, const CacheRow& format) {
  return kernels.bf16 != nullptr && format.latent == DType::kBF16 && format.rope == DType::kBF16 &&
         format.kv_lora_rank % kBf16Cols == 0 && format.qk_rope_head_dim % kBf16Cols == 0;
}

void decode_columns(const Kernels& kernels, const Weight& w, int64_t slice, int64_t row,
                    int64_t first, int64_t n, float* to) {
  decode(kernels, w.dtype, w.row(slice, row) + row_bytes(w.dtype, first), n, to);
  if (w.scales.data != nullptr) w.scales.apply(slice, row, first, n, to);
}

void multiply_rows(const Kernels& kernels, const Desk& desk, const Weight& w, int64_t slice,
                   int64_t first, int64_t n, const InputRows& x, float* out, int64_t out_stride,
                   const std::byte* next) {
  if (const Int8Kernels* int8 = int8_kernels(kernels, w.dtype); int8 != nullptr && x.rounded) {
    return multiply_int8_rows(*int8, desk, w, slice, first, n, x, out, out_stride, next);
  }
  if (multiplies_weight_in_bf16(kernels, w)) {
    return multiply_bf16_rows(*kernels.bf16, desk, w, slice, first, n, x, out, out_stride, next);
  }
  const std::optional<Format> format = fast_format(w.dtype);
  const bool is_scaled = w.scales.data != nullptr;
  if (is_scaled && x.n <= kFusedRows && kernels.multiply_blocks != nullptr &&
      w.scales.block_cols % kLanes == 0) {
    return multiply_scaled_rows(kernels, w, slice, first, n, x, out, out_stride);
  }
  if (!is_scaled && format && x.n <= kFusedRows && kernels.formats[*format].multiply != nullptr) {
    kernels.formats[*format].multiply({bytes(w.row(slice, first)), w.row_stride_bytes, n, x.floats,
                                       x.n, w.cols, out, out_stride});
    return;
  }
  for (int64_t j = 0; j < x.n; j += kPassRows) {
    for (int64_t r = 0; r < n; r += kPanelRows) {
      multiply_panel_rows(kernels, desk, w, slice, first + r, std::min<int64_t>(kPanelRows, n - r),
                          x.floats + j, std::min(kPassRows, x.n - j), out + j * out_stride + r,
                          out_stride);
    }
  }
}

void multiply_columns(const Kernels& kernels, const Desk& desk, const Weight& w, int64_t slice,
                      int64_t first, int64_t n, const float* const* x, int64_t n_x,
                      float* const* out) {
  for (int64_t j = 0; j < n_x; ++j) std::memset(out[j], 0, static_cast<size_t>(n) * sizeof(float));
  for (int64_t d = 0; d < w.rows; d += kPanelRows) {
    const int64_t n_d = std::min<int64_t>(kPanelRows, w.rows - d);
    for (int64_t c = 0; c < n; c += kPanelCols) {
      const int64_t n_c = std::min<int64_t>(kPanelCols, n - c);
      for (int64_t r = 0; r < n_d; ++r) {
        decode_columns(kernels, w, slice, d + r, first + c, n_c, desk.panel + r * kPanelCols);
      }
      kernels.add_weighted_rows({desk.panel, kPanelCols, n_d, x, d, out, c, n_x, n_c});
    }
  }
}

}  // namespace hadal::cpu
