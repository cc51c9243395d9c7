// Brings the rows of a piece into the type they are to have, on all threads.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/base/memory.hpp"
#include "lib/base/thread_pool.hpp"
#include "lib/convert/output_tensor.hpp"
#include "lib/convert/row_pieces.hpp"

namespace hadal {

class RowConverter {
 public:
  // Blocks of scales cover block_rows by block_cols weights. E_BUDGET, E_NO_MEMORY.
  static absl::StatusOr<RowConverter> create(std::shared_ptr<Executor> executor, Memory& memory,
                                             const RowPieceNeeds& needs, int64_t block_rows,
                                             int64_t block_cols);
  // Of the memory that create() takes.
  static uint64_t work_bytes(const Executor& executor, const RowPieceNeeds& needs);

  // `read` holds the bytes of the piece's parts; `scales`, for each part, those of its source's
  // blocks, row by row, or nothing. `write` has room for the piece's rows. E_FORMAT for a number
  // that its type cannot hold: nan and infinity in blocks, a large one in f16.
  absl::Status run(const OutputTensor& tensor, const RowPiece& piece,
                   std::span<const std::byte> read,
                   const std::vector<std::span<const float>>& scales, std::span<std::byte> write);

 private:
  RowConverter() = default;

  std::shared_ptr<Executor> executor_;
  Block work_;
  int64_t floats_per_thread_ = 0;
  int64_t block_rows_ = 128, block_cols_ = 128;
};

}  // namespace hadal
