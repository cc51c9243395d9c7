#include "lib/convert/row_pieces.hpp"

#include <algorithm>

namespace hadal {
namespace {

uint64_t source_row_bytes(const RowRun& run) {
  return static_cast<uint64_t>(row_bytes(run.source->dtype, run.source->shape.back()));
}

// Scales are decoded to float, four bytes each.
uint64_t scales_bytes(const RowRun& run) {
  if (run.scales == nullptr) return 0;
  return static_cast<uint64_t>(run.scales->shape[0] * run.scales->shape[1]) * sizeof(float);
}

}  // namespace

RowPiece RowPieceCutter::next(uint64_t most_bytes) {
  RowPiece piece;
  piece.first_row = row_;
  const auto write_row = static_cast<uint64_t>(tensor_->row_bytes());
  while (!done()) {
    const RowRun& run = tensor_->runs[run_];
    const uint64_t read_row = source_row_bytes(run);
    const uint64_t fixed = run.transposed ? static_cast<uint64_t>(tensor_->cols()) * read_row : 0;
    const uint64_t per_row = run.transposed ? 0 : read_row;
    const int64_t left = run.n_rows - row_of_run_;
    const auto room = [&](uint64_t used, uint64_t fixed_bytes, uint64_t each) -> int64_t {
      if (used >= most_bytes || most_bytes - used < fixed_bytes) return 0;
      if (each == 0) return left;
      return static_cast<int64_t>(std::min<uint64_t>((most_bytes - used - fixed_bytes) / each,
                                                     static_cast<uint64_t>(left)));
    };
    int64_t n =
        std::min(room(piece.read_bytes, fixed, per_row), room(piece.write_bytes, 0, write_row));
    if (run.transposed && n < left) n = 0;
    if (n == 0 && !piece.parts.empty()) break;
    if (n == 0) n = run.transposed ? left : 1;  // more than the bound, and there is no way around

    RowPiecePart part;
    part.run = &run;
    part.first_row = row_of_run_;
    part.n_rows = n;
    const int64_t first = run.first_row + (run.transposed ? 0 : row_of_run_);
    part.read_from = run.source->offset + static_cast<uint64_t>(first) * read_row;
    part.read_bytes = run.transposed ? fixed : static_cast<uint64_t>(n) * read_row;
    part.at = piece.read_bytes;
    piece.parts.push_back(part);
    piece.read_bytes += part.read_bytes;
    piece.scales_bytes += scales_bytes(run);
    piece.write_bytes += static_cast<uint64_t>(n) * write_row;
    piece.n_rows += n;
    row_ += n;
    row_of_run_ += n;
    if (row_of_run_ < run.n_rows) break;  // the bound is reached
    ++run_;
    row_of_run_ = 0;
  }
  return piece;
}

// By what a piece holds at most, not by going through them: a file can claim to be very large.
RowPieceNeeds needs_of(const std::vector<OutputTensor>& tensors, uint64_t most_bytes) {
  RowPieceNeeds needs;
  for (const OutputTensor& tensor : tensors) {
    const auto write_row = static_cast<uint64_t>(tensor.row_bytes());
    uint64_t read = 0, scales = 0, least_read = 0, least_write = write_row;
    for (const RowRun& run : tensor.runs) {
      const uint64_t read_row = source_row_bytes(run);
      const uint64_t turned = static_cast<uint64_t>(tensor.cols()) * read_row;
      read += run.transposed ? turned : static_cast<uint64_t>(run.n_rows) * read_row;
      scales += scales_bytes(run);
      least_read = std::max(least_read, run.transposed ? turned : read_row);
      if (run.transposed)
        least_write = std::max(least_write, static_cast<uint64_t>(run.n_rows) * write_row);
      const int64_t floats = run.transposed ? tensor.cols() * run.source->shape.back() : 0;
      needs.floats = std::max(needs.floats, tensor.cols() + floats);
    }
    needs.read_bytes = std::max(needs.read_bytes, std::min(read, std::max(most_bytes, least_read)));
    needs.write_bytes = std::max(needs.write_bytes,
                                 std::min(tensor.size_bytes(), std::max(most_bytes, least_write)));
    needs.scales_bytes = std::max(needs.scales_bytes, scales);
  }
  return needs;
}

}  // namespace hadal
