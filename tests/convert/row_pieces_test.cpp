// Pieces cover every row once, in order, within their bounds; and what they need is enough.
#include "lib/convert/row_pieces.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace hadal {
namespace {

TensorEntry entry(DType dtype, std::vector<int64_t> shape, uint64_t offset) {
  TensorEntry e;
  e.dtype = dtype;
  e.shape = std::move(shape);
  e.offset = offset;
  return e;
}

// Two heads of kv_b put together: what is turned, and what is not, in turn.
class RowPiecesTest : public testing::Test {
 protected:
  RowPiecesTest() {
    joint_.dtype = DType::kBF16;
    joint_.shape = {2 * (8 + 40), 16};
    for (int64_t h = 0; h < 2; ++h) {
      joint_.runs.push_back({&keys_, nullptr, 8, h * 16, true});
      joint_.runs.push_back({&values_, nullptr, 40, h * 40, false});
    }
  }

  const TensorEntry keys_ = entry(DType::kF32, {2, 16, 8}, 1000);
  const TensorEntry values_ = entry(DType::kF32, {2, 40, 16}, 9000);
  OutputTensor joint_;
};

TEST_F(RowPiecesTest, CoverEveryRowOnceWithinTheirBounds) {
  for (const uint64_t most : {1u, 64u, 100u, 600u, 2000u, 5000u, 1u << 20}) {
    const RowPieceNeeds needs = needs_of({joint_}, most);
    int64_t row = 0;
    std::vector<int64_t> rows_of_run(joint_.runs.size());
    for (RowPieceCutter cutter(joint_); !cutter.done();) {
      const RowPiece piece = cutter.next(most);
      EXPECT_EQ(piece.first_row, row);
      EXPECT_GT(piece.n_rows, 0);
      EXPECT_LE(piece.read_bytes, needs.read_bytes);
      EXPECT_LE(piece.write_bytes, needs.write_bytes);
      EXPECT_EQ(piece.write_bytes, static_cast<uint64_t>(piece.n_rows * joint_.row_bytes()));
      const bool is_within = piece.read_bytes <= most && piece.write_bytes <= most;
      EXPECT_TRUE(is_within || piece.parts.size() == 1u) << most;
      uint64_t at = 0;
      int64_t n_rows = 0;
      for (const RowPiecePart& part : piece.parts) {
        const auto run = static_cast<size_t>(part.run - joint_.runs.data());
        EXPECT_EQ(part.first_row, rows_of_run[run]);
        EXPECT_EQ(part.at, at);
        if (part.run->transposed) {
          EXPECT_EQ(part.n_rows, 8);
          EXPECT_EQ(part.read_bytes, 16u * 8 * 4);
          EXPECT_EQ(part.read_from, 1000u + static_cast<uint64_t>(part.run->first_row) * 32);
        } else {
          EXPECT_EQ(part.read_bytes, static_cast<uint64_t>(part.n_rows) * 64);
          EXPECT_EQ(part.read_from,
                    9000u + static_cast<uint64_t>(part.run->first_row + part.first_row) * 64);
        }
        rows_of_run[run] += part.n_rows;
        at += part.read_bytes;
        n_rows += part.n_rows;
      }
      EXPECT_EQ(at, piece.read_bytes);
      EXPECT_EQ(n_rows, piece.n_rows);
      row += piece.n_rows;
    }
    EXPECT_EQ(row, joint_.rows());
    for (size_t i = 0; i < rows_of_run.size(); ++i)
      EXPECT_EQ(rows_of_run[i], joint_.runs[i].n_rows);
  }
}

TEST_F(RowPiecesTest, NeedsAreKnownAtOnceForAnyTensor) {
  const TensorEntry huge = entry(DType::kQ8_0, {int64_t{1} << 40, 4096}, 0);
  OutputTensor tensor;
  tensor.dtype = DType::kF32;
  tensor.shape = huge.shape;
  tensor.runs.push_back({&huge, nullptr, int64_t{1} << 40, 0, false});
  const RowPieceNeeds needs = needs_of({tensor}, 1 << 20);
  EXPECT_LE(needs.read_bytes, 1u << 20);
  EXPECT_LE(needs.write_bytes, 1u << 20);
  EXPECT_EQ(needs.floats, 4096);
}

}  // namespace
}  // namespace hadal
