// Mirrors backends/*/add.
#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;

class AddTest : public test::BackendTest {};
INSTANTIATE_TEST_SUITE_P(Backends, AddTest, test::every_backend(), test::backend_name);

TEST_P(AddTest, AddsToTheSecond) {
  test::Workbench bench(backend());
  const Tensor x = bench.put(test::matrix(2, {1, 2, 3, 4}));
  const Tensor sum = bench.put(test::matrix(2, {10, 20, 30, 40}));
  backend().add(x, sum);
  EXPECT_EQ(bench.get(sum).values, (test::Floats{11, 22, 33, 44}));
  EXPECT_EQ(bench.get(x).values, (test::Floats{1, 2, 3, 4}));
}

TEST_P(AddTest, IsExactAtEveryWidthAndOnViews) {
  for (const int64_t width : {1, 7, 15, 33, 7168}) {
    SCOPED_TRACE(width);
    const Matrix x = test::random_matrix(3, width, 1), y = test::random_matrix(3, width + 5, 2);
    test::Workbench bench(backend());
    const Tensor sum = bench.put(y);
    backend().add(bench.put(x), sum.columns(3, width));
    Matrix expected = y;
    for (int64_t r = 0; r < 3; ++r) {
      for (int64_t c = 0; c < width; ++c) expected.row(r)[3 + c] += x.row(r)[c];
    }
    EXPECT_TRUE(is_same(bench.get(sum), expected));
  }
}

}  // namespace
}  // namespace hadal
