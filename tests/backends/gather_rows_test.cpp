// Mirrors backends/*/gather_rows.
#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

class GatherRowsTest : public test::BackendTest {};
INSTANTIATE_TEST_SUITE_P(Backends, GatherRowsTest, test::every_backend(), test::backend_name);

TEST_P(GatherRowsTest, PicksRowsInTheOrderAsked) {
  test::Workbench bench(backend());
  const Tensor out = bench.empty(4, 2);
  backend().gather_rows(bench.put(test::matrix(2, {0, 1, 10, 11, 20, 21})),
                        bench.put(test::Ids{2, 0, 2, 1}), out);
  EXPECT_EQ(bench.get(out).values, (test::Floats{20, 21, 0, 1, 20, 21, 10, 11}));
}

TEST_P(GatherRowsTest, ARowThatIsNotThereIsAnInternalError) {
  for (const int32_t id : {-1, 2}) {
    test::Workbench bench(backend());
    backend().gather_rows(bench.put(test::matrix(1, {0, 1})), bench.put(test::Ids{id}),
                          bench.empty(1, 1));
    EXPECT_EQ(code_of(backend().wait()), HADAL_E_INTERNAL);
  }
}

}  // namespace
}  // namespace hadal
