// Mirrors backends/*/rms_norm.
#include <cmath>
#include <limits>

#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;

class RmsNormTest : public test::BackendTest {
 protected:
  static Matrix rms_norm(Backend& backend, const Matrix& x, const test::TestWeight& gain,
                         float eps) {
    test::Workbench bench(backend);
    const Tensor out = bench.empty(x.rows, x.cols);
    backend.rms_norm(bench.put(x), bench.upload(gain), eps, out);
    return bench.get(out);
  }
  Matrix rms_norm(const Matrix& x, const test::TestWeight& gain, float eps) {
    return rms_norm(backend(), x, gain, eps);
  }

  static Matrix formula(const Matrix& x, const Matrix& gain, double eps) {
    Matrix out = x;
    for (int64_t r = 0; r < x.rows; ++r) {
      double squares = 0.0;
      for (int64_t c = 0; c < x.cols; ++c) squares += std::pow(static_cast<double>(x.row(r)[c]), 2);
      const double rms = std::sqrt(squares / static_cast<double>(x.cols) + eps);
      for (int64_t c = 0; c < x.cols; ++c) {
        out.row(r)[c] =
            static_cast<float>(static_cast<double>(x.row(r)[c]) / rms *
                               static_cast<double>(gain.values[static_cast<size_t>(c)]));
      }
    }
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, RmsNormTest, test::every_backend(), test::backend_name);

TEST_P(RmsNormTest, DividesByTheRootOfTheMeanSquareAndScales) {
  // The squares of 1, 7 have the mean 25.
  const Matrix out = rms_norm(test::matrix(2, {1, 7}), test::f32_vector({1, 10}), 0.0f);
  EXPECT_NEAR(out.values[0], 0.2, 1e-7);
  EXPECT_NEAR(out.values[1], 14.0, 1e-5);
}

TEST_P(RmsNormTest, EpsilonIsAddedToTheMeanSquare) {
  const Matrix out = rms_norm(test::matrix(2, {3, 3}), test::f32_vector({1, 1}), 16.0f);
  EXPECT_NEAR(out.values[0], 0.6, 1e-6);
}

TEST_P(RmsNormTest, ARowOfZerosStaysZero) {
  EXPECT_EQ(
      rms_norm(test::matrix_of(1, 64, 0.0f), test::f32_vector(test::Floats(64, 1)), 1e-6f).values,
      test::Floats(64, 0.0f));
}

TEST_P(RmsNormTest, AgreesWithTheFormulaForEveryWidthOfTheFamilyAndOddOnes) {
  for (const int64_t width : {1, 2, 3, 7, 8, 9, 31, 33, 144, 512, 1536, 2048, 5120, 7168}) {
    SCOPED_TRACE(width);
    const Matrix x = test::random_matrix(5, width, 1), gain = test::random_matrix(1, width, 2);
    EXPECT_TRUE(is_near(rms_norm(x, test::f32_weight(1, gain), 1e-6f), formula(x, gain, 1e-6),
                        test::kNormTolerance));
  }
}

TEST_P(RmsNormTest, LargeAndSmallActivationsKeepTheirDigits) {
  for (const float deviation : {1e-4f, 1e4f, 1e12f}) {
    SCOPED_TRACE(deviation);
    const Matrix x = test::random_matrix(2, 512, 1, deviation),
                 gain = test::random_matrix(1, 512, 2);
    EXPECT_TRUE(is_near(rms_norm(x, test::f32_weight(1, gain), 1e-6f), formula(x, gain, 1e-6),
                        test::kNormTolerance));
  }
}

TEST_P(RmsNormTest, TakesAGainOfEveryType) {
  const Matrix x = test::random_matrix(2, 512, 1);
  for (const DType dtype : test::weight_dtypes()) {
    SCOPED_TRACE(name(dtype));
    const auto gain = test::random_weight(dtype, 1, 1, 512, 2);
    EXPECT_TRUE(
        is_near(rms_norm(x, gain, 1e-6f), formula(x, gain.decoded(0), 1e-6), test::kNormTolerance));
  }
}

TEST_P(RmsNormTest, WorksInPlaceAndOnViews) {
  const Matrix x = test::random_matrix(3, 96, 1), gain = test::random_matrix(1, 33, 2);
  test::Workbench bench(backend());
  const Tensor all = bench.put(x), middle = all.columns(30, 33);
  backend().rms_norm(middle, bench.upload(test::f32_weight(1, gain)), 1e-6f, middle);
  Matrix cut = test::matrix_of(3, 33, 0.0f), expected = x;
  for (int64_t r = 0; r < 3; ++r) std::copy_n(x.row(r) + 30, 33, cut.row(r));
  cut = formula(cut, gain, 1e-6);
  EXPECT_TRUE(is_near(bench.get(middle), cut, test::kNormTolerance));
  const Matrix after = bench.get(all);
  for (int64_t r = 0; r < 3; ++r) {
    EXPECT_EQ(after.row(r)[29], x.row(r)[29]);
    EXPECT_EQ(after.row(r)[63], x.row(r)[63]);
  }
}

// D1, P9, and P1: a row of NaN stays alone.
TEST_P(RmsNormTest, ARowHasTheSameBitsInEveryBatch) {
  const auto gain = test::f32_weight(1, test::random_matrix(1, 1536, 2));
  Matrix x = test::random_matrix(33, 1536, 1);
  x.row(1)[5] = std::numeric_limits<float>::quiet_NaN();
  const Matrix all = rms_norm(x, gain, 1e-6f);
  EXPECT_TRUE(is_same(all, rms_norm(on_one_thread(), x, gain, 1e-6f)));
  EXPECT_TRUE(std::isnan(all.row(1)[0]));
  for (const int64_t r : {0, 2, 32}) {
    EXPECT_FALSE(std::isnan(all.row(r)[0]));
    EXPECT_TRUE(is_same(rms_norm(x.some_rows(r, 1), gain, 1e-6f), all.some_rows(r, 1)));
  }
}

}  // namespace
}  // namespace hadal
