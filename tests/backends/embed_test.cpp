// Mirrors backends/*/embed.
#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Ids;
using test::Matrix;

class EmbedTest : public test::BackendTest {
 protected:
  Matrix embed(const Ids& ids, const test::TestWeight& w) {
    test::Workbench bench(backend());
    const Tensor out = bench.empty(static_cast<int64_t>(ids.size()), w.source.cols);
    backend().embed(bench.put(ids), bench.upload(w), out);
    return bench.get(out);
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, EmbedTest, test::every_backend(), test::backend_name);

TEST_P(EmbedTest, GivesTheRowOfEveryId) {
  const auto table = test::f32_weight(1, test::matrix(2, {0, 1, 10, 11, 20, 21}));
  EXPECT_EQ(embed({2, 0, 0, 1}, table).values, (test::Floats{20, 21, 0, 1, 0, 1, 10, 11}));
}

TEST_P(EmbedTest, DecodesEveryTypeExactly) {
  for (const DType dtype : test::weight_dtypes()) {
    for (const auto scales : {test::Scales::kOrdinary, test::Scales::kExtreme}) {
      SCOPED_TRACE(name(dtype));
      const auto table = test::random_weight(dtype, 1, 7, 512, /*seed=*/1, scales);
      EXPECT_TRUE(is_same(embed({0, 1, 2, 3, 4, 5, 6}, table), table.decoded(0)));
    }
  }
}

TEST_P(EmbedTest, NoRowsIsNothingToDo) {
  EXPECT_TRUE(embed({}, test::f32_weight(1, test::matrix(2, {0, 1}))).values.empty());
}

TEST_P(EmbedTest, AnIdWithoutARowIsAnInternalError) {
  const auto table = test::f32_weight(1, test::matrix(1, {0, 1, 2}));
  for (const int32_t id : {-1, 3}) {
    test::Workbench bench(backend());
    backend().embed(bench.put(Ids{id}), bench.upload(table), bench.empty(1, 1));
    EXPECT_EQ(code_of(backend().wait()), HADAL_E_INTERNAL);
  }
}

}  // namespace
}  // namespace hadal
