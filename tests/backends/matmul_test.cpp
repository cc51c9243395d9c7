// Mirrors backends/*/matmul.
#include <cmath>
#include <limits>

#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::Scales;

class MatmulTest : public test::BackendTest {
 protected:
  static Matrix matmul(Backend& backend, const Matrix& x, const test::TestWeight& w) {
    test::Workbench bench(backend);
    const Weight& weight = bench.upload(w);
    const Tensor out = bench.empty(x.rows, weight.out_features());
    backend.matmul(bench.put(x), weight, out);
    return bench.get(out);
  }
  Matrix matmul(const Matrix& x, const test::TestWeight& w) { return matmul(backend(), x, w); }

  void expect_right(const Matrix& x, const test::TestWeight& w) {
    EXPECT_TRUE(
        is_near(matmul(x, w), test::expected_matmul(x, w.decoded(0)),
                tolerance(test::kSumTolerance, test::kRoundedSumTolerance, w.source.dtype)));
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, MatmulTest, test::every_backend(), test::backend_name);

TEST_P(MatmulTest, MultipliesByTheRowsOfTheWeight) {
  const auto w = test::f32_weight(1, test::matrix(2, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(matmul(test::matrix(2, {1, 10, 100, 1000}), w).values,
            (test::Floats{21, 43, 65, 2100, 4300, 6500}));
}

TEST_P(MatmulTest, TransposedRowsAreWhatEachInputAdds) {
  auto w = test::f32_weight(1, test::matrix(3, {1, 2, 3, 4, 5, 6}));
  w.source.transposed = true;
  EXPECT_EQ(matmul(test::matrix(2, {1, 10}), w).values, (test::Floats{41, 52, 63}));
}

TEST_P(MatmulTest, EveryTypeIsRightToItsRounding) {
  for (const DType dtype : test::weight_dtypes()) {
    for (const Scales scales : {Scales::kOrdinary, Scales::kExtreme}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << " scales " << static_cast<int>(scales));
      const auto w = test::random_weight(dtype, 1, 67, 512, /*seed=*/1, scales);
      for (const int64_t n_rows : {1, 2, 7, 40}) {
        SCOPED_TRACE(n_rows);
        expect_right(test::random_matrix(n_rows, 512, /*seed=*/2), w);
      }
    }
  }
}

TEST_P(MatmulTest, EveryTypeIsRightTransposed) {
  for (const DType dtype : test::weight_dtypes()) {
    for (const Scales scales : {Scales::kOrdinary, Scales::kExtreme}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << " scales " << static_cast<int>(scales));
      auto w = test::random_weight(dtype, 1, 67, 512, /*seed=*/1, scales);
      w.source.transposed = true;
      for (const int64_t n_rows : {1, 2, 7}) {
        expect_right(test::random_matrix(n_rows, 67, /*seed=*/2), w);
      }
    }
  }
}

// Rows of a single block and of odd numbers of blocks, few outputs and many.
TEST_P(MatmulTest, EveryShapeIsRight) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kMXFP4}) {
    for (const int64_t in : {32, 96, 160, 288, 1056}) {
      for (const int64_t out : {1, 2, 3, 5, 8, 31, 130}) {
        SCOPED_TRACE(testing::Message() << name(dtype) << " [" << out << ", " << in << "]");
        expect_right(test::random_matrix(3, in, 2), test::random_weight(dtype, 1, out, in, 1));
      }
    }
  }
  for (const int64_t in : {1, 2, 3, 7, 15, 17, 33, 100}) {
    SCOPED_TRACE(in);
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      expect_right(test::random_matrix(3, in, 2), test::random_weight(dtype, 1, 5, in, 1));
    }
  }
}

// A single row is multiplied by kernels of its own: close to what it is in a batch, for both work
// on the same rounded activations, however many blocks its last stretch has.
TEST_P(MatmulTest, ARowAloneIsTheSameWhateverItsLength) {
  for (const DType dtype : test::weight_dtypes()) {
    const int64_t block = info(dtype).block_elements;
    for (const int64_t n_blocks : {1, 2, 3, 5, 8, 13, 44}) {
      const int64_t in = n_blocks * block;
      if (in > 6000) continue;
      for (const int64_t out : {1, 7, 18}) {
        SCOPED_TRACE(testing::Message() << name(dtype) << " [" << out << ", " << in << "]");
        const auto w = test::random_weight(dtype, 1, out, in, 1);
        const Matrix x = test::random_matrix(2, in, 2);
        const Matrix in_batch = matmul(x, w).some_rows(1, 1), alone = matmul(x.some_rows(1, 1), w);
        auto expected = test::expected_matmul(x.some_rows(1, 1), w.decoded(0));
        expected.values.assign(in_batch.values.begin(), in_batch.values.end());
        ASSERT_TRUE(GetParam().batch_invariant ? is_same(alone, in_batch)
                                               : is_near(alone, expected, test::kSumTolerance));
      }
    }
  }
}

TEST_P(MatmulTest, BatchesOfAPromptAreRight) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ3_K, DType::kIQ2_S}) {
    SCOPED_TRACE(name(dtype));
    const auto w = test::random_weight(dtype, 1, 21, 768, 1);
    const Matrix x = test::random_matrix(230, 768, 2);
    expect_right(x, w);
    const Matrix all = matmul(x, w);
    for (const int64_t r : {0, 95, 96, 97, 229}) {
      EXPECT_TRUE(is_same_alone(matmul(x.some_rows(r, 1), w), all.some_rows(r, 1)));
    }
  }
}

// The shapes of q_a_proj and kv_a_proj_with_mqa of the 671B model, a part of the rows.
TEST_P(MatmulTest, LongRowsKeepTheirDigits) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_K, DType::kQ6_K}) {
    SCOPED_TRACE(name(dtype));
    expect_right(test::random_matrix(2, 7168, 2), test::random_weight(dtype, 1, 192, 7168, 1));
  }
}

// A12: F16 and BF16 are the type of the weights; activations may be far beyond what F16 holds, or
// have more digits than BF16.
TEST_P(MatmulTest, ActivationsAreNotNarrowedToTheTypeOfTheWeights) {
  for (const float deviation : {1e-6f, 1e6f, 1e12f}) {
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << " " << deviation);
      expect_right(test::random_matrix(3, 512, 2, deviation),
                   test::random_weight(dtype, 1, 33, 512, 1));
    }
  }
}

// The activations of a quantised product may be rounded to 8 bits, with a scale that fits them.
TEST_P(MatmulTest, QuantisedProductsWorkAtEveryScaleOfTheActivations) {
  for (const float deviation : {1e-6f, 1e6f, 1e12f}) {
    for (const DType dtype : {DType::kQ8_0, DType::kQ4_1, DType::kQ4_K, DType::kIQ2_XS}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << " " << deviation);
      const auto w = test::random_weight(dtype, 1, 33, 512, 1);
      for (const int64_t n_rows : {1, 3})
        expect_right(test::random_matrix(n_rows, 512, 2, deviation), w);
    }
  }
}

TEST_P(MatmulTest, RowsOfZerosGiveZeros) {
  for (const DType dtype : test::weight_dtypes()) {
    SCOPED_TRACE(name(dtype));
    const auto w = test::random_weight(dtype, 1, 5, 512, 1);
    for (const int64_t n_rows : {1, 2}) {
      const Matrix out = matmul(test::matrix_of(n_rows, 512, 0.0f), w);
      for (const float value : out.values) EXPECT_EQ(value, 0.0f);
    }
  }
}

// G5: the logits of the router come from an F32 gate, in F32.
TEST_P(MatmulTest, AnF32GateGivesF32Logits) {
  const auto gate = test::random_weight(DType::kF32, 1, 256, 7168, 1);
  const Matrix x = test::random_matrix(2, 7168, 2);
  EXPECT_TRUE(
      is_near(matmul(x, gate), test::expected_matmul(x, gate.decoded(0)), test::kLogitTolerance));
}

TEST_P(MatmulTest, ReadsAndWritesViews) {
  const auto w = test::random_weight(DType::kQ8_0, 1, 9, 64, 1);
  const Matrix x = test::random_matrix(3, 192, 2);
  test::Workbench bench(backend());
  const Tensor out = bench.put(test::matrix_of(3, 20, -1.0f));
  backend().matmul(bench.put(x).columns(96, 64), bench.upload(w), out.columns(5, 9));
  Matrix cut = test::matrix_of(3, 64, 0.0f);
  for (int64_t r = 0; r < 3; ++r) std::copy_n(x.row(r) + 96, 64, cut.row(r));
  EXPECT_TRUE(is_same(bench.get(out.columns(5, 9)), matmul(cut, w)));
  for (const int64_t untouched : {0, 4, 14, 19}) {
    EXPECT_EQ(bench.get(out.columns(untouched, 1)).values, test::Floats(3, -1.0f));
  }
}

// Weights lie where a file put them: at any address, with a stride.
TEST_P(MatmulTest, WeightsNeedNoAlignment) {
  // oneDNN counts strides in elements: other rows are not its business, and summed in another
  // order.
  const size_t gap = GetParam().backend == "onednn" ? 4 : 1;
  for (const DType dtype : test::weight_dtypes()) {
    SCOPED_TRACE(name(dtype));
    const auto w = test::random_weight(dtype, 1, 6, 256, 1);
    const auto moved = [&](size_t stride) {
      const size_t row_size = static_cast<size_t>(w.source.row_stride_bytes);
      std::vector<std::byte> bytes(6 * (row_size + stride) + 1, std::byte{0xff});
      for (size_t r = 0; r < 6; ++r) {
        std::copy_n(w.source.data + r * row_size, row_size,
                    bytes.data() + 1 + r * (row_size + stride));
      }
      auto result = test::weight_of(dtype, 1, 6, 256, std::move(bytes));
      result.source.data += 1;
      result.source.row_stride_bytes = static_cast<int64_t>(row_size + stride);
      return result;
    };
    for (const int64_t n_rows : {1, 2, 40}) {
      const Matrix x = test::random_matrix(n_rows, 256, 2);
      EXPECT_TRUE(is_same(matmul(x, moved(gap)), matmul(x, w)));
      expect_right(x, moved(1));
    }
  }
}

// D1, P9, D4, and P1: a row of NaN stays alone.
TEST_P(MatmulTest, ARowHasTheSameBitsInEveryBatchAndOnAnyNumberOfThreads) {
  for (const DType dtype : test::weight_dtypes()) {
    for (const bool transposed : {false, true}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << (transposed ? " transposed" : ""));
      auto w = test::random_weight(dtype, 1, 130, 512, 1);
      w.source.transposed = transposed;
      Matrix x = test::random_matrix(33, transposed ? 130 : 512, 2);
      x.row(31)[7] = std::numeric_limits<float>::quiet_NaN();
      const Matrix all = matmul(x, w);
      ASSERT_TRUE(is_same(all, matmul(on_one_thread(), x, w)));
      for (const int64_t n_rows : test::kBatchSizes) {
        SCOPED_TRACE(n_rows);
        const Matrix some = matmul(x.some_rows(0, n_rows), w);
        ASSERT_TRUE(is_few(n_rows) ? is_same_alone(some, all.some_rows(0, n_rows))
                                   : is_same(some, all.some_rows(0, n_rows)));
      }
      for (const int64_t r : {0, 13, 32}) {
        ASSERT_FALSE(std::isnan(all.row(r)[0]));
        ASSERT_TRUE(is_same_alone(matmul(x.some_rows(r, 1), w), all.some_rows(r, 1)));
      }
    }
  }
}

// Never hide a NaN: what came from one is one.
TEST_P(MatmulTest, NaNInGivesNaNOut) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_K}) {
    SCOPED_TRACE(name(dtype));
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      Matrix x = test::random_matrix(1, 256, 2);
      x.values[100] = bad;
      const Matrix out = matmul(x, test::random_weight(dtype, 1, 4, 256, 1));
      for (const float value : out.values) EXPECT_FALSE(std::isfinite(value));
    }
  }
}

// More outputs than a lone row is multiplied with at once where it is padded to two.
TEST_P(MatmulTest, ARowOfManyOutputsHasTheSameBitsAloneAndAmongMany) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    SCOPED_TRACE(name(dtype));
    const auto w = test::random_weight(dtype, 1, 8200, 48, 1);
    const Matrix x = test::random_matrix(70, 48, 2);
    const Matrix all = matmul(x, w);
    EXPECT_TRUE(is_same(all, matmul(on_one_thread(), x, w)));
    EXPECT_TRUE(is_near(all, test::expected_matmul(x, w.decoded(0)),
                        tolerance(test::kSumTolerance, test::kRoundedSumTolerance, dtype)));
    for (const int64_t r : {0, 69})
      EXPECT_TRUE(is_same_alone(matmul(x.some_rows(r, 1), w), all.some_rows(r, 1)));
    EXPECT_TRUE(is_same(matmul(x.some_rows(0, 64), w), all.some_rows(0, 64)));
  }
}

// Rows so wide that many of x are gone through in several blocks of columns, the last one narrower.
TEST_P(MatmulTest, AWideRowHasTheSameBitsAloneAndAmongMany) {
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_K}) {
    SCOPED_TRACE(name(dtype));
    const int64_t n_cols = dtype == DType::kQ8_0 ? 6688 : 6912;
    const auto w = test::random_weight(dtype, 1, 40, n_cols, 1);
    const Matrix x = test::random_matrix(100, n_cols, 2);
    const Matrix all = matmul(x, w);
    EXPECT_TRUE(is_same(all, matmul(on_one_thread(), x, w)));
    expect_right(x.some_rows(0, 97), w);
    EXPECT_TRUE(is_same(matmul(x.some_rows(0, 20), w), all.some_rows(0, 20)));
    for (const int64_t r : {0, 95, 99})
      EXPECT_TRUE(is_same_alone(matmul(x.some_rows(r, 1), w), all.some_rows(r, 1)));
  }
}

// More rows than a pass has, more of the weight than have room for their sums, more columns than
// are gone through at a time.
TEST_P(MatmulTest, PassesAreNotToBeSeen) {
  for (const DType dtype : {DType::kQ8_0, DType::kQ3_K}) {
    SCOPED_TRACE(name(dtype));
    const auto w = test::random_weight(dtype, 1, 500, 1536, 1);
    const Matrix x = test::random_matrix(270, 1536, 2);
    const Matrix all = matmul(x, w);
    EXPECT_TRUE(is_same(all, matmul(on_one_thread(), x, w)));
    for (const int64_t first : {0, 130, 250})
      EXPECT_TRUE(is_same(matmul(x.some_rows(first, 20), w), all.some_rows(first, 20))) << first;
    expect_right(x.some_rows(266, 4), w);
  }
}

// The shapes of the 671B and of the 16B model, where 16 threads share out the work: no number of
// rows or threads may change the order of a sum.
TEST_P(MatmulTest, ShapesOfTheModelsHaveTheSameBitsOnManyThreads) {
  if (!GetParam().batch_invariant || GetParam().n_threads == 1) GTEST_SKIP();
  const std::unique_ptr<Backend> many = test::backend_of(GetParam().with_threads(16));
  struct Shape {
    int64_t out, in;
  };
  for (const Shape shape : {Shape{1408, 2048}, Shape{576, 7168}, Shape{320, 1536}}) {
    SCOPED_TRACE(testing::Message() << shape.out << " by " << shape.in);
    const auto w = test::random_weight(DType::kBF16, 1, shape.out, shape.in, 1);
    const Matrix x = test::random_matrix(97, shape.in, 2);
    const Matrix all = matmul(on_one_thread(), x, w);
    for (const int64_t n_rows : {1, 2, 7, 16, 63, 97}) {
      const Matrix some = all.some_rows(0, n_rows);
      EXPECT_TRUE(is_same(matmul(x.some_rows(0, n_rows), w), some)) << n_rows;
      EXPECT_TRUE(is_same(matmul(*many, x.some_rows(0, n_rows), w), some)) << n_rows;
    }
  }
}

TEST_P(MatmulTest, NoRowsIsNothingToDo) {
  EXPECT_TRUE(matmul(test::matrix_of(0, 64, 0.0f), test::random_weight(DType::kQ8_0, 1, 3, 64, 1))
                  .values.empty());
}

}  // namespace
}  // namespace hadal
