// How a tensor is cut into pieces of work: rows that are read, brought into their type and written
// at once. A piece holds a bounded number of bytes, but at least a row; and rows that are columns
// of the source come together, since all of its rows must be read for one of them.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/convert/output_tensor.hpp"

namespace hadal {

// Rows of a piece that come out of one run.
struct RowPiecePart {
  const RowRun* run = nullptr;
  int64_t first_row = 0;  // of the run
  int64_t n_rows = 0;
  // The bytes to be read, neighbours in the source, and where they go among those of the piece.
  uint64_t read_from = 0, read_bytes = 0, at = 0;
};

struct RowPiece {
  int64_t first_row = 0, n_rows = 0;  // of the tensor
  std::vector<RowPiecePart> parts;
  uint64_t read_bytes = 0, scales_bytes = 0, write_bytes = 0;
};

// Goes through a tensor from its first row to its last.
class RowPieceCutter {
 public:
  explicit RowPieceCutter(const OutputTensor& tensor) : tensor_(&tensor) {}
  bool done() const { return run_ == tensor_->runs.size(); }
  // Of at most so many bytes to read, and to write. How a tensor is cut changes nothing in it.
  RowPiece next(uint64_t most_bytes);

 private:
  const OutputTensor* tensor_;
  size_t run_ = 0;
  int64_t row_of_run_ = 0, row_ = 0;
};

// The most that the pieces of some tensors need.
struct RowPieceNeeds {
  uint64_t read_bytes = 0, scales_bytes = 0, write_bytes = 0;
  int64_t floats = 0;  // of each thread: a row, or all rows of a source that is turned
};
RowPieceNeeds needs_of(const std::vector<OutputTensor>& tensors, uint64_t most_bytes);

}  // namespace hadal
