// Rows of a weight, decoded or multiplied, on the calling thread.
#pragma once

#include "backends/backend.hpp"
#include "backends/cpu/input_rows.hpp"
#include "backends/cpu/workers.hpp"

namespace hadal::cpu {

// The kernels for products of this type in 8 bits; null where there are none, or none are wanted.
const Int8Kernels* int8_kernels(const Kernels& kernels, DType dtype);

// n elements from `from` on, whole blocks.
void decode(const Kernels& kernels, DType dtype, const std::byte* from, int64_t n, float* to);

// A row of the latent cache, latents and rotated values.
void decode_cache_row(const Kernels& kernels, const CacheRow& format, const std::byte* from,
                      float* to);
// Whether rows of the latent cache are multiplied as they are, in bf16.
bool multiplies_in_bf16(const Kernels& kernels, const CacheRow& format);

// The same for a row of a weight, from column `first` on, with its scales.
void decode_columns(const Kernels& kernels, const Weight& w, int64_t slice, int64_t row,
                    int64_t first, int64_t n, float* to);

// out[j][i] = x[j] . (row first + i of the slice), for the rows of x and n rows of the weight,
// which is not transposed. A row of `out` is out_stride floats from the one before. `next` is what
// the thread will read after that, if it is not the rows that follow in memory.
void multiply_rows(const Kernels& kernels, const Desk& desk, const Weight& w, int64_t slice,
                   int64_t first, int64_t n, const InputRows& x, float* out, int64_t out_stride,
                   const std::byte* next = nullptr);

// The same of a weight whose stored rows are [in, out]: out[j][i] is the sum over d of x[j][d] *
// (element first + i of row d). `first` begins a block of the format; out[j] points at element i =
// 0 of row j.
void multiply_columns(const Kernels& kernels, const Desk& desk, const Weight& w, int64_t slice,
                      int64_t first, int64_t n, const float* const* x, int64_t n_x,
                      float* const* out);

}  // namespace hadal::cpu
