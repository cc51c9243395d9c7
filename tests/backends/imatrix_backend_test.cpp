// Mirrors backends/imatrix_backend: what is summed, slice by slice, and that failures come through.
// What a whole model sums is compared with float64 in tests/session.
#include "backends/imatrix_backend.hpp"

#include "tests/backends/backend_test.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal {
namespace {

using test::Matrix;

class ImatrixBackendTest : public testing::Test {
 protected:
  std::shared_ptr<Memory> memory_ = Memory::create(nullptr, 0);
  ImatrixBackend backend_{test::backend_of({"cpu", "auto", 1}), memory_};
  test::Workbench bench_{backend_};
};

void expect_sums(const InputSums& sums, const std::vector<double>& squares,
                 const std::vector<uint64_t>& counts) {
  EXPECT_EQ(sums.counts, counts);
  ASSERT_EQ(sums.squares.size(), squares.size());
  for (size_t i = 0; i < squares.size(); ++i) EXPECT_NEAR(sums.squares[i], squares[i], 1e-6) << i;
}

TEST_F(ImatrixBackendTest, SumsTheSquaresOfRows) {
  const Weight& w = bench_.upload(test::random_weight(DType::kF16, 1, 2, 3, 1));
  EXPECT_EQ(backend_.input_of(w).slices, 0);
  const Tensor out = bench_.empty(2, 2);
  backend_.matmul(bench_.put(test::matrix(3, {1, 2, 3, -4, 0, 0.5f})), w, out);
  expect_sums(backend_.input_of(w), {17, 4, 9.25}, {2});
  backend_.matmul(bench_.put(test::matrix(3, {1, 1, 1})), w, bench_.empty(1, 2));
  expect_sums(backend_.input_of(w), {18, 5, 10.25}, {3});
  const Weight copy = w;
  expect_sums(backend_.input_of(copy), {18, 5, 10.25}, {3});
  EXPECT_EQ(backend_.input_of(bench_.upload(test::random_weight(DType::kF16, 1, 2, 3, 1))).slices,
            0)
      << "another weight";
}

TEST_F(ImatrixBackendTest, HeadsAreSlices) {
  const Weight& w = bench_.upload(test::random_weight(DType::kF32, 2, 5, 2, 1));
  // Two rows of two heads, as columns of something wider.
  const Tensor wide = bench_.put(test::matrix(4, {1, 2, 9, 9, 3, 4, 9, 9, 5, 6, 9, 9, 7, 8, 9, 9}));
  backend_.per_head_matmul(wide.columns(0, 2), w, bench_.empty(4, 5));
  expect_sums(backend_.input_of(w), {1 + 25, 4 + 36, 9 + 49, 16 + 64}, {2, 2});
}

TEST_F(ImatrixBackendTest, ExpertsSeeTheRowsThatChoseThem) {
  const Weight& gate = bench_.upload(test::random_weight(DType::kF32, 3, 4, 2, 1));
  const Weight& up = bench_.upload(test::random_weight(DType::kF32, 3, 4, 2, 2));
  const Weight& down = bench_.upload(test::random_weight(DType::kF32, 3, 2, 4, 3));
  const Tensor out = bench_.empty(2, 2);
  backend_.moe_ffn({.x = bench_.put(test::matrix(2, {1, 2, 3, 4})),
                    .expert_ids = bench_.put(test::Ids{2, 0, 2, 2}, 2),
                    .expert_weights = bench_.put(test::matrix(2, {1, 0, 1, 1})),
                    .gate_proj = &gate,
                    .up_proj = &up,
                    .down_proj = &down,
                    .out = out});
  const std::vector<double> squares = {1, 4, 0, 0, 1 + 9 + 9, 4 + 16 + 16};
  expect_sums(backend_.input_of(gate), squares, {1, 0, 3});
  expect_sums(backend_.input_of(up), squares, {1, 0, 3});
  const InputSums inner = backend_.input_of(down);
  EXPECT_EQ(inner.counts, (std::vector<uint64_t>{1, 0, 3}));
  EXPECT_EQ(inner.cols, 4);
  double of_second = 0.0, of_third = 0.0;
  for (size_t c = 0; c < 4; ++c) of_second += inner.squares[4 + c];
  for (size_t c = 0; c < 4; ++c) of_third += inner.squares[8 + c];
  EXPECT_EQ(of_second, 0.0);
  EXPECT_GT(of_third, 0.0);
  EXPECT_TRUE(backend_.wait().ok());
}

TEST_F(ImatrixBackendTest, WhatFailsBelowIsReportedOnce) {
  const Weight& w = bench_.upload(test::random_weight(DType::kF32, 1, 2, 3, 1));
  backend_.matmul(bench_.put(test::matrix(2, {1, 2})), w, bench_.empty(1, 2));  // 3 are wanted
  EXPECT_EQ(code_of(backend_.wait()), HADAL_E_INTERNAL);
  EXPECT_TRUE(backend_.wait().ok());
}

TEST_F(ImatrixBackendTest, SumsAreAllocatedUnderTheBudget) {
  const auto tight = Memory::create(nullptr, 4096);
  ImatrixBackend backend(test::backend_of({"reference", "auto", 1}), tight);
  test::Workbench bench(backend);
  const Weight& w = bench.upload(test::random_weight(DType::kF32, 1, 2, 1024, 1));
  backend.matmul(bench.put(test::random_matrix(1, 1024, 1)), w, bench.empty(1, 2));
  EXPECT_EQ(code_of(backend.wait()), HADAL_E_BUDGET);
  EXPECT_EQ(backend.input_of(w).slices, 0);
}

}  // namespace
}  // namespace hadal
