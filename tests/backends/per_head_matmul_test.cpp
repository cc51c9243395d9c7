// Mirrors backends/*/per_head_matmul.
#include <cmath>
#include <limits>

#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::Scales;

class PerHeadMatmulTest : public test::BackendTest {
 protected:
  static Matrix per_head_matmul(Backend& backend, const Matrix& x, const test::TestWeight& w) {
    test::Workbench bench(backend);
    const Weight& weight = bench.upload(w);
    const Tensor out = bench.empty(x.rows, weight.out_features());
    backend.per_head_matmul(bench.put(x), weight, out);
    return bench.get(out);
  }
  Matrix per_head_matmul(const Matrix& x, const test::TestWeight& w) {
    return per_head_matmul(backend(), x, w);
  }

  // Row i of x belongs to head i % n_heads.
  static test::Expected formula(const Matrix& x, const test::TestWeight& w) {
    std::vector<Matrix> heads;
    for (int64_t h = 0; h < w.source.slices; ++h) heads.push_back(w.decoded(h));
    test::Expected all;
    for (int64_t i = 0; i < x.rows; ++i) {
      const auto one =
          test::expected_matmul(x.some_rows(i, 1), heads[static_cast<size_t>(i % w.source.slices)]);
      all.values.insert(all.values.end(), one.values.begin(), one.values.end());
      all.magnitudes.insert(all.magnitudes.end(), one.magnitudes.begin(), one.magnitudes.end());
    }
    return all;
  }
  void expect_right(const Matrix& x, const test::TestWeight& w) {
    EXPECT_TRUE(
        is_near(per_head_matmul(x, w), formula(x, w),
                tolerance(test::kSumTolerance, test::kRoundedSumTolerance, w.source.dtype)));
  }

  // The halves of a joint kv_b_proj: per head n_nope rows for the keys, then n_v for the values.
  static test::TestWeight k_half(test::TestWeight joint, int64_t n_nope) {
    joint.source.rows = n_nope;
    joint.source.transposed = true;
    return joint;
  }
  static test::TestWeight v_half(test::TestWeight joint, int64_t n_nope) {
    joint.source.data += n_nope * joint.source.row_stride_bytes;
    joint.source.rows -= n_nope;
    return joint;
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, PerHeadMatmulTest, test::every_backend(), test::backend_name);

TEST_P(PerHeadMatmulTest, EveryHeadHasItsOwnMatrix) {
  // Two heads of one row each, two batch rows.
  const auto w = test::f32_weight(2, test::matrix(2, {1, 2, 10, 20}));
  EXPECT_EQ(per_head_matmul(test::matrix(2, {1, 1, 1, 1, 1, 2, 1, 2}), w).values,
            (test::Floats{3, 30, 5, 50}));
}

TEST_P(PerHeadMatmulTest, TransposedHeadsAreWhatEachInputAdds) {
  auto w = test::f32_weight(2, test::matrix(2, {1, 2, 3, 4, 10, 20, 30, 40}));
  w.source.transposed = true;
  EXPECT_EQ(per_head_matmul(test::matrix(2, {1, 100, 1, 100}), w).values,
            (test::Floats{301, 402, 3010, 4020}));
}

// N13: kv_b_proj whole, in every type. Rows of 512 serve both halves.
TEST_P(PerHeadMatmulTest, HalvesOfAJointKvBProjOfEveryType) {
  for (const DType dtype : test::weight_dtypes()) {
    for (const Scales scales : {Scales::kOrdinary, Scales::kExtreme}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << " scales " << static_cast<int>(scales));
      const auto joint = test::random_weight(dtype, 3, 40 + 24, 512, /*seed=*/1, scales);
      for (const int64_t n_rows : {1, 5}) {
        expect_right(test::random_matrix(n_rows * 3, 40, 2), k_half(joint, 40));
        expect_right(test::random_matrix(n_rows * 3, 512, 3), v_half(joint, 40));
      }
    }
  }
}

// N13, F3: kv_b_proj split by the converter. k_b_proj is stored [out, in] with rows of 128, too
// short for blocks of 256.
TEST_P(PerHeadMatmulTest, SplitKBProjOfEveryTypeThatFits) {
  for (const DType dtype : test::weight_dtypes()) {
    if (128 % info(dtype).block_elements != 0) continue;
    for (const Scales scales : {Scales::kOrdinary, Scales::kExtreme}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << " scales " << static_cast<int>(scales));
      expect_right(test::random_matrix(10, 128, 2),
                   test::random_weight(dtype, 2, 65, 128, /*seed=*/1, scales));
    }
  }
}

// F1, F2: both layouts of the same numbers give the same queries.
TEST_P(PerHeadMatmulTest, JointAndSplitLayoutsOfTheSameNumbersAgree) {
  const auto joint = k_half(test::random_weight(DType::kF32, 4, 128 + 128, 512, 1), 128);
  Matrix split{0, 128, {}};
  for (int64_t h = 0; h < 4; ++h) {
    const Matrix head = joint.decoded(h);
    split.values.insert(split.values.end(), head.values.begin(), head.values.end());
    split.rows += head.rows;
  }
  const Matrix x = test::random_matrix(8, 128, 2);
  EXPECT_TRUE(is_near(per_head_matmul(x, test::f32_weight(4, split)), per_head_matmul(x, joint),
                      test::kSumTolerance));
}

// A10: queries are not normalised; what absorbs them must not narrow them.
TEST_P(PerHeadMatmulTest, LargeQueriesKeepTheirDigits) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const auto joint = test::random_weight(dtype, 4, 128 + 128, 512, 1);
    for (const int64_t n_rows : {1, 6}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << " " << n_rows << " rows");
      expect_right(test::random_matrix(n_rows * 4, 128, 2, 1e6f), k_half(joint, 128));
    }
  }
}

TEST_P(PerHeadMatmulTest, ReadsTheUnrotatedPartOfEveryHeadInPlace) {
  // Heads of 128 + 64 in one buffer, as the model keeps its queries.
  const auto w = test::random_weight(DType::kQ8_0, 2, 32, 128, 1);
  const Matrix q = test::random_matrix(3, 2 * 192, 2);
  test::Workbench bench(backend());
  const Weight& weight = bench.upload(w);
  const Tensor out = bench.empty(3, 2 * 32).as_rows_of(32);
  backend().per_head_matmul(bench.put(q).as_rows_of(192).columns(0, 128), weight, out);
  Matrix q_nope = test::matrix_of(6, 128, 0.0f);
  for (int64_t i = 0; i < 6; ++i) std::copy_n(q.values.data() + i * 192, 128, q_nope.row(i));
  EXPECT_TRUE(is_same(bench.get(out), per_head_matmul(q_nope, w)));
}

// D1, P9, and P1: a row of NaN stays alone.
TEST_P(PerHeadMatmulTest, ARowHasTheSameBitsInEveryBatchAndOnAnyNumberOfThreads) {
  for (const DType dtype : test::weight_dtypes()) {
    SCOPED_TRACE(name(dtype));
    const auto joint = test::random_weight(dtype, 3, 40 + 24, 512, 1);
    for (const bool keys : {true, false}) {
      const auto w = keys ? k_half(joint, 40) : v_half(joint, 40);
      Matrix x = test::random_matrix(3 * 17, keys ? 40 : 512, 2);
      x.row(3 * 8 + 1)[0] = std::numeric_limits<float>::quiet_NaN();
      const Matrix all = per_head_matmul(x, w);
      ASSERT_TRUE(is_same(all, per_head_matmul(on_one_thread(), x, w)));
      ASSERT_TRUE(std::isnan(all.row(3 * 8 + 1)[0]));
      for (const int64_t n_rows : {1, 2, 3, 4, 8, 16}) {
        const Matrix some = per_head_matmul(x.some_rows(0, 3 * n_rows), w);
        ASSERT_TRUE(n_rows == 1 ? is_same_alone(some, all.some_rows(0, 3))
                                : is_same(some, all.some_rows(0, 3 * n_rows)));
      }
      for (const int64_t r : {0, 9, 16}) {
        ASSERT_TRUE(
            is_same_alone(per_head_matmul(x.some_rows(3 * r, 3), w), all.some_rows(3 * r, 3)));
      }
    }
  }
}

}  // namespace
}  // namespace hadal
