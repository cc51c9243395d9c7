// A tensor that is to be written, and where its rows come from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/checkpoint/manifest.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

// Neighbouring rows of a tensor to be written that come out of one tensor of the checkpoint. Rows
// of a tensor there are counted over all its slices.
struct RowRun {
  const TensorEntry* source = nullptr;
  const TensorEntry* scales = nullptr;  // of the blocks of a source in f8_e4m3
  int64_t n_rows = 0;                   // to be written
  int64_t first_row = 0;                // of the source
  // Row i is column i of the source's rows from first_row on, as many of them as a row has columns;
  // n_rows is then the source's number of columns.
  bool transposed = false;
};

struct OutputTensor {
  std::string name;                   // hadal's, as in checkpoint.hpp; the file's where it has none
  std::string name_in_file;           // of the file to be written
  DType dtype = DType::kF32;          // to be written
  std::vector<int64_t> shape;         // [outer, ..., inner]
  std::vector<RowRun> runs;           // together all rows
  std::span<const float> importance;  // [cols], or [slices * cols]; empty: not known

  int64_t cols() const { return shape.back(); }
  int64_t rows() const {
    int64_t n = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
    return n;
  }
  int64_t rows_per_slice() const { return shape.size() < 3 ? rows() : shape[shape.size() - 2]; }
  int64_t row_bytes() const { return hadal::row_bytes(dtype, cols()); }
  uint64_t size_bytes() const { return static_cast<uint64_t>(rows() * row_bytes()); }
};

}  // namespace hadal
