// Weights in fp8 with a scale for each block, and stacks of matrices that lie apart, as checkpoints
// in safetensors have them: every op that reads such weights, on every backend.
#include <cmath>

#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::TestWeight;

class Fp8WeightsTest : public test::BackendTest {
 protected:
  static TestWeight fp8(int64_t slices, int64_t rows, int64_t cols, uint64_t seed = 1) {
    return test::random_weight(DType::kF8_E4M3, slices, rows, cols, seed);
  }
  Matrix matmul(const Matrix& x, const TestWeight& w) {
    test::Workbench bench(backend());
    const Weight& weight = bench.upload(w);
    const Tensor out = bench.empty(x.rows, weight.out_features());
    backend().matmul(bench.put(x), weight, out);
    return bench.get(out);
  }
  test::Tolerance near_enough() const {
    return tolerance(test::kSumTolerance, test::kRoundedSumTolerance, DType::kF8_E4M3);
  }
  Matrix per_head_matmul(const Matrix& x, const TestWeight& w) {
    test::Workbench bench(backend());
    const Weight& weight = bench.upload(w);
    const Tensor out = bench.empty(x.rows, weight.out_features());
    backend().per_head_matmul(bench.put(x), weight, out);
    return bench.get(out);
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, Fp8WeightsTest, test::every_backend(), test::backend_name);

struct Blocks {
  int64_t rows, cols;
};
// DeepSeek's own; some that end inside a panel, inside sixteen lanes, and within every row.
constexpr Blocks kBlocks[] = {{128, 128}, {64, 32}, {5, 48}, {1, 7}, {1000, 1000}};

// kv_a_proj_with_mqa of V3 has 576 rows: its last blocks are smaller, as are those of 200 columns.
TEST_P(Fp8WeightsTest, ProductsUseTheScaleOfEveryBlock) {
  for (const Blocks& block : kBlocks) {
    for (const int64_t n_cols : {int64_t{200}, int64_t{512}, int64_t{1100}}) {
      SCOPED_TRACE(testing::Message() << block.rows << " by " << block.cols << ", " << n_cols);
      const TestWeight w = test::with_scales(fp8(1, 150, n_cols), block.rows, block.cols, 7);
      TestWeight turned = w;
      turned.source.transposed = true;
      for (const int64_t n_rows : {1, 2, 3, 9}) {
        const Matrix x = test::random_matrix(n_rows, n_cols, 2);
        EXPECT_TRUE(is_near(matmul(x, w), test::expected_matmul(x, w.decoded(0)), near_enough()));
        const Matrix y = test::random_matrix(n_rows, 150, 3);
        EXPECT_TRUE(is_near(matmul(y, turned), test::expected_matmul(y, turned.decoded(0)),
                            test::kSumTolerance));
      }
    }
  }
}

// The halves of a joint kv_b_proj: blocks count through the rows of all heads, so a block begins
// inside a head, and one serves several.
TEST_P(Fp8WeightsTest, HeadsCutOutOfOneTensorKeepItsBlocks) {
  constexpr int64_t kHeads = 3, kNope = 40, kV = 24, kRank = 160, kRows = kNope + kV;
  for (const Blocks& block : kBlocks) {
    SCOPED_TRACE(testing::Message() << block.rows << " by " << block.cols);
    TestWeight whole = test::with_scales(fp8(1, kHeads * kRows, kRank), block.rows, block.cols, 7);
    const Matrix values = whole.decoded(0);
    TestWeight keys = whole;
    keys.source.slices = kHeads;
    keys.source.slice_stride_bytes = kRows * keys.source.row_stride_bytes;
    keys.source.scales.slice_stride = 0;
    keys.source.scales.rows_per_slice = kRows;
    TestWeight v = keys;
    keys.source.rows = kNope;
    keys.source.transposed = true;
    v.source.rows = kV;
    v.source.data += kNope * v.source.row_stride_bytes;
    v.source.scales.first_row = kNope;

    const Matrix q = test::random_matrix(2 * kHeads, kNope, 2);
    const Matrix latent = test::random_matrix(2 * kHeads, kRank, 3);
    const Matrix carried = per_head_matmul(q, keys), out = per_head_matmul(latent, v);
    for (int64_t i = 0; i < 2 * kHeads; ++i) {
      const int64_t first = i % kHeads * kRows;
      for (int64_t c = 0; c < kRank; ++c) {
        double sum = 0.0, size = 0.0;
        for (int64_t d = 0; d < kNope; ++d) {
          const double term =
              static_cast<double>(q.row(i)[d]) * static_cast<double>(values.row(first + d)[c]);
          sum += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(static_cast<double>(carried.row(i)[c]), sum, 1e-6 * size);
      }
      for (int64_t d = 0; d < kV; ++d) {
        double sum = 0.0, size = 0.0;
        for (int64_t c = 0; c < kRank; ++c) {
          const double term = static_cast<double>(latent.row(i)[c]) *
                              static_cast<double>(values.row(first + kNope + d)[c]);
          sum += term;
          size += std::abs(term);
        }
        // Inputs are f32, or rounded to bf16: by 1 / 512 of themselves at most.
        const bool is_exact = near_enough().largest == test::kSumTolerance.largest;
        ASSERT_NEAR(static_cast<double>(out.row(i)[d]), sum, (is_exact ? 1e-6 : 2e-3) * size);
      }
    }
  }
}

TEST_P(Fp8WeightsTest, EmbeddingsAreExact) {
  for (const Blocks& block : kBlocks) {
    const TestWeight table = test::with_scales(fp8(1, 7, 300), block.rows, block.cols, 7);
    test::Workbench bench(backend());
    const Tensor out = bench.empty(7, 300);
    backend().embed(bench.put(test::Ids{0, 1, 2, 3, 4, 5, 6}), bench.upload(table), out);
    EXPECT_TRUE(is_same(bench.get(out), table.decoded(0)));
  }
}

// Experts that are tensors of their own, in every type: where they lie changes no bit.
TEST_P(Fp8WeightsTest, ExpertsMayLieApart) {
  constexpr int64_t kExperts = 4, kInner = 256, kHidden = 256;
  for (const DType dtype : test::weight_dtypes()) {
    SCOPED_TRACE(name(dtype));
    TestWeight gate = test::random_weight(dtype, kExperts, kInner, kHidden, 1);
    TestWeight up = test::random_weight(dtype, kExperts, kInner, kHidden, 2);
    TestWeight down = test::random_weight(dtype, kExperts, kHidden, kInner, 3);
    if (dtype == DType::kF8_E4M3) {
      gate = test::with_scales(gate, 100, 100, 4);
      up = test::with_scales(up, 100, 100, 5);
      down = test::with_scales(down, 100, 100, 6);
    }
    const auto run = [&](const TestWeight& g, const TestWeight& u, const TestWeight& d) {
      test::Workbench bench(backend());
      const Tensor out = bench.empty(5, kHidden);
      backend().moe_ffn({.x = bench.put(test::random_matrix(5, kHidden, 7)),
                         .expert_ids = bench.put(test::Ids{0, 3, 1, 0, 3, 2, 0, 1, 2, 3}, 2),
                         .expert_weights = bench.put(test::random_matrix(5, 2, 8)),
                         .gate_proj = &bench.upload(g),
                         .up_proj = &bench.upload(u),
                         .down_proj = &bench.upload(d),
                         .out = out});
      return bench.get(out);
    };
    EXPECT_TRUE(is_same(run(test::with_slices_apart(gate), test::with_slices_apart(up),
                            test::with_slices_apart(down)),
                        run(gate, up, down)));
  }
}

TEST_P(Fp8WeightsTest, ARowHasTheSameBitsInEveryBatchAndOnAnyNumberOfThreads) {
  const TestWeight w = test::with_scales(fp8(1, 130, 1100), 128, 128, 7);
  const Matrix x = test::random_matrix(33, 1100, 2);
  const Matrix all = matmul(x, w);
  for (const int64_t n_rows : test::kBatchSizes)
    ASSERT_TRUE(is_same(matmul(x.some_rows(0, n_rows), w), all.some_rows(0, n_rows))) << n_rows;
  for (const int64_t r : {0, 13, 32})
    ASSERT_TRUE(is_same(matmul(x.some_rows(r, 1), w), all.some_rows(r, 1))) << r;
}

}  // namespace
}  // namespace hadal
