// Mirrors backends/*/rope.
#include <cmath>

#include "tests/backends/backend_test.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal {
namespace {

using test::Matrix;

class RopeTest : public test::BackendTest {
 protected:
  // One head per row.
  Matrix rotated(const Matrix& x, int32_t first_position) {
    test::Workbench bench(backend());
    test::Sequences sequences(bench, 1, first_position + static_cast<int32_t>(x.rows),
                              test::cache_row(1, x.cols));
    const BatchRows rows =
        sequences.rows({{0, first_position, static_cast<int32_t>(x.rows)}}, x.cols);
    const Tensor in_place = bench.put(x);
    backend().rope(rows, 1, in_place);
    return bench.get(in_place);
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, RopeTest, test::every_backend(), test::backend_name);

// A8: pairs are neighbours, and nothing else takes part in a pair's rotation.
TEST_P(RopeTest, EveryPairOfNeighboursTurnsByItsOwnAngle) {
  const int64_t dim = 64;
  const int32_t position = 3;
  for (int64_t i = 0; i < dim; ++i) {
    Matrix x = test::matrix_of(1, dim, 0.0f);
    x.values[static_cast<size_t>(i)] = 1.0f;
    const Matrix out = rotated(x, position);
    const double angle = position * std::pow(10000.0, -static_cast<double>(i / 2 * 2) / dim);
    for (int64_t j = 0; j < dim; ++j) {
      double expected = 0.0;
      if (i == j) expected = std::cos(angle);
      if (i / 2 == j / 2 && i != j) expected = i < j ? std::sin(angle) : -std::sin(angle);
      EXPECT_NEAR(out.values[static_cast<size_t>(j)], expected, 1e-6) << i << " " << j;
    }
  }
}

TEST_P(RopeTest, PositionZeroStaysAsItIs) {
  const Matrix x = test::random_matrix(1, 64, 1);
  EXPECT_TRUE(is_same(rotated(x, 0), x));
}

// A5: cos and sin are not scaled by mscale; turning keeps the length.
TEST_P(RopeTest, TurningKeepsTheLengthAtPosition5000) {
  const Matrix x = test::random_matrix(1, 64, 1), out = rotated(x, 5000);
  double before = 0.0, after = 0.0;
  for (size_t i = 0; i < 64; ++i) {
    before += std::pow(static_cast<double>(x.values[i]), 2);
    after += std::pow(static_cast<double>(out.values[i]), 2);
  }
  EXPECT_NEAR(after / before, 1.0, 1e-6);
}

TEST_P(RopeTest, AllHeadsOfARowTurnAlikeAndTheirOtherPartsStay) {
  // Two rows of three heads of 6 + 4 values; the last 4 turn.
  const Matrix q = test::random_matrix(2, 3 * 10, 1);
  test::Workbench bench(backend());
  test::Sequences sequences(bench, 1, 100, test::cache_row(1, 10));
  const BatchRows rows = sequences.rows({{0, 70, 2}}, 4);
  const Tensor heads = bench.put(q).as_rows_of(10);
  backend().rope(rows, 3, heads.columns(6, 4));
  const Matrix out = bench.get(heads);
  for (int64_t i = 0; i < 6; ++i) {
    const float* x = q.values.data() + i * 10;
    for (int64_t c = 0; c < 6; ++c) EXPECT_EQ(out.row(i)[c], x[c]);
    const test::Floats cos_sin = test::cos_sin_of(70 + static_cast<int32_t>(i / 3), 4);
    for (int64_t c = 0; c < 4; c += 2) {
      const float cos = cos_sin[static_cast<size_t>(c)], sin = cos_sin[static_cast<size_t>(c + 1)];
      EXPECT_NEAR(out.row(i)[6 + c], x[6 + c] * cos - x[7 + c] * sin, 1e-6);
      EXPECT_NEAR(out.row(i)[7 + c], x[6 + c] * sin + x[7 + c] * cos, 1e-6);
    }
  }
}

// D1, P9.
TEST_P(RopeTest, ARowHasTheSameBitsInEveryBatch) {
  const Matrix x = test::random_matrix(33, 64, 1);
  const Matrix all = rotated(x, 40);
  for (const int32_t r : {0, 1, 7, 32}) {
    EXPECT_TRUE(is_same(rotated(x.some_rows(r, 1), 40 + r), all.some_rows(r, 1)));
  }
}

}  // namespace
}  // namespace hadal
