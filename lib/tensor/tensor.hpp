// A view of a matrix: pointer, dtype, shape, row stride. Owns nothing. Shapes are [rows, cols] with
// the columns contiguous; what has more dimensions is seen as rows of its innermost one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/base/status.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

struct Tensor {
  std::byte* data = nullptr;
  DType dtype = DType::kF32;  // a plain type: f32 activations, i32 ids
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t row_stride = 0;  // in elements; cols where the rows lie back to back

  static Tensor f32(float* data, int64_t rows, int64_t cols) {
    return {reinterpret_cast<std::byte*>(data), DType::kF32, rows, cols, cols};
  }
  static Tensor i32(int32_t* data, int64_t rows, int64_t cols = 1) {
    return {reinterpret_cast<std::byte*>(data), DType::kI32, rows, cols, cols};
  }

  // The memory of row r, where the host can see it.
  float* row(int64_t r) const { return reinterpret_cast<float*>(data) + r * row_stride; }
  int32_t* row_i32(int64_t r) const { return reinterpret_cast<int32_t*>(data) + r * row_stride; }

  // The first n rows.
  Tensor first_rows(int64_t n) const {
    HADAL_CHECK(n <= rows);
    Tensor view = *this;
    view.rows = n;
    return view;
  }

  // The same values as rows of `width`: [rows, heads * width] becomes [rows * heads, width].
  Tensor as_rows_of(int64_t width) const {
    HADAL_CHECK(row_stride == cols && cols % width == 0);
    return {data, dtype, rows * (cols / width), width, width};
  }

  // Columns first to first + n of every row.
  Tensor columns(int64_t first, int64_t n) const {
    HADAL_CHECK(first + n <= cols);
    Tensor view = *this;
    view.data += first * info(dtype).block_bytes;
    view.cols = n;
    return view;
  }
};

}  // namespace hadal
