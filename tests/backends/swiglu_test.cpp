// Mirrors backends/*/swiglu.
#include <cmath>
#include <limits>

#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;

class SwigluTest : public test::BackendTest {
 protected:
  Matrix swiglu(const Matrix& gate, const Matrix& up) {
    test::Workbench bench(backend());
    const Tensor out = bench.empty(gate.rows, gate.cols);
    backend().swiglu(bench.put(gate), bench.put(up), out);
    return bench.get(out);
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, SwigluTest, test::every_backend(), test::backend_name);

TEST_P(SwigluTest, GatesWithSilu) {
  const Matrix out = swiglu(test::matrix(4, {0, 1, -1, 2}), test::matrix(4, {5, 1, 10, -3}));
  EXPECT_EQ(out.values[0], 0.0f);
  EXPECT_NEAR(out.values[1], 0.7310586, 1e-6);
  EXPECT_NEAR(out.values[2], -2.6894142, 1e-6);
  EXPECT_NEAR(out.values[3], -5.2847825, 1e-6);
}

TEST_P(SwigluTest, FarFromZeroItIsTheGateOrNothing) {
  const Matrix out =
      swiglu(test::matrix(6, {100, -100, 1e4f, -1e4f, 1e30f, -1e30f}), test::matrix_of(1, 6, 1.0f));
  EXPECT_FLOAT_EQ(out.values[0], 100.0f);
  EXPECT_FLOAT_EQ(out.values[2], 1e4f);
  EXPECT_FLOAT_EQ(out.values[4], 1e30f);
  for (const size_t nothing : {1u, 3u, 5u}) EXPECT_NEAR(out.values[nothing], 0.0, 1e-30);
}

TEST_P(SwigluTest, AgreesWithTheFormulaForOddWidths) {
  for (const int64_t width : {1, 7, 8, 17, 31, 257, 2048}) {
    SCOPED_TRACE(width);
    const Matrix gate = test::random_matrix(3, width, 1, 6.0f);
    const Matrix up = test::random_matrix(3, width, 2);
    const Matrix out = swiglu(gate, up);
    for (size_t i = 0; i < out.values.size(); ++i) {
      const double g = static_cast<double>(gate.values[i]);
      const double expected = g / (1.0 + std::exp(-g)) * static_cast<double>(up.values[i]);
      EXPECT_NEAR(out.values[i], expected, 2e-6 * std::abs(expected) + 1e-9);
    }
  }
}

TEST_P(SwigluTest, WorksInPlace) {
  const Matrix gate = test::random_matrix(2, 33, 1), up = test::random_matrix(2, 33, 2);
  test::Workbench bench(backend());
  const Tensor in_place = bench.put(gate);
  backend().swiglu(in_place, bench.put(up), in_place);
  EXPECT_TRUE(is_same(bench.get(in_place), swiglu(gate, up)));
}

TEST_P(SwigluTest, NaNInEitherGivesNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Matrix out = swiglu(test::matrix(2, {nan, 1}), test::matrix(2, {1, nan}));
  EXPECT_TRUE(std::isnan(out.values[0]) && std::isnan(out.values[1]));
}

// D1, P9: in vector or tail, a value comes out the same.
TEST_P(SwigluTest, AValueHasTheSameBitsWhereverItStands) {
  const Matrix out = swiglu(test::matrix_of(3, 39, 0.3f), test::matrix_of(3, 39, 0.7f));
  for (const float value : out.values) EXPECT_EQ(value, out.values[0]);
}

}  // namespace
}  // namespace hadal
