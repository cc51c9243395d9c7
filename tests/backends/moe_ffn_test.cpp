// Mirrors backends/*/moe_ffn.
#include <cmath>
#include <limits>

#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Floats;
using test::Ids;
using test::Matrix;
using test::Scales;

struct Experts {
  test::TestWeight gate, up, down;

  static Experts random(DType dtype, int64_t n, int64_t inner, int64_t hidden,
                        Scales scales = Scales::kOrdinary) {
    return {test::random_weight(dtype, n, inner, hidden, 1, scales),
            test::random_weight(dtype, n, inner, hidden, 2, scales),
            test::random_weight(dtype, n, hidden, inner, 3, scales)};
  }
};

// The experts of every row, and their weights.
struct Routing {
  Ids ids;
  Matrix weights;

  // Every row draws k of n experts, no two alike.
  static Routing random(int64_t n_rows, int64_t n_experts, int64_t k) {
    Routing routing;
    std::mt19937_64 random(5);
    for (int64_t r = 0; r < n_rows; ++r) {
      Ids all(static_cast<size_t>(n_experts));
      for (size_t e = 0; e < all.size(); ++e) all[e] = static_cast<int32_t>(e);
      for (size_t i = 0; i < static_cast<size_t>(k); ++i) {
        std::swap(all[i], all[i + random() % (all.size() - i)]);
        routing.ids.push_back(all[i]);
      }
    }
    routing.weights = test::random_matrix(n_rows, k, 6, 0.3f);
    return routing;
  }
  Routing some_rows(int64_t first, int64_t n) const {
    const int64_t k = weights.cols;
    return {Ids(ids.begin() + first * k, ids.begin() + (first + n) * k),
            weights.some_rows(first, n)};
  }
};

Matrix moe_ffn(Backend& backend, const Matrix& x, const Experts& experts, const Routing& routing) {
  test::Workbench bench(backend);
  const Tensor out = bench.empty(x.rows, experts.down.source.rows);
  backend.moe_ffn({.x = bench.put(x),
                   .expert_ids = bench.put(routing.ids, routing.weights.cols),
                   .expert_weights = bench.put(routing.weights),
                   .gate_proj = &bench.upload(experts.gate),
                   .up_proj = &bench.upload(experts.up),
                   .down_proj = &bench.upload(experts.down),
                   .out = out});
  return bench.get(out);
}

// In double throughout.
Matrix formula(const Matrix& x, const Experts& experts, const Routing& routing) {
  std::vector<Matrix> gate, up, down;
  for (int64_t e = 0; e < experts.gate.source.slices; ++e) {
    gate.push_back(experts.gate.decoded(e));
    up.push_back(experts.up.decoded(e));
    down.push_back(experts.down.decoded(e));
  }
  Matrix out = test::matrix_of(x.rows, experts.down.source.rows, 0.0f);
  for (int64_t r = 0; r < x.rows; ++r) {
    std::vector<double> sums(static_cast<size_t>(out.cols));
    for (int64_t k = 0; k < routing.weights.cols; ++k) {
      const size_t e =
          static_cast<size_t>(routing.ids[static_cast<size_t>(r * routing.weights.cols + k)]);
      const auto g = test::expected_matmul(x.some_rows(r, 1), gate[e]).values;
      auto inner = test::expected_matmul(x.some_rows(r, 1), up[e]).values;
      for (size_t i = 0; i < inner.size(); ++i) {
        inner[i] *= static_cast<double>(routing.weights.row(r)[k]) * g[i] / (1.0 + std::exp(-g[i]));
      }
      for (int64_t c = 0; c < out.cols; ++c) {
        for (size_t i = 0; i < inner.size(); ++i) {
          sums[static_cast<size_t>(c)] += inner[i] * static_cast<double>(down[e].row(c)[i]);
        }
      }
    }
    for (int64_t c = 0; c < out.cols; ++c) {
      out.row(r)[c] = static_cast<float>(sums[static_cast<size_t>(c)]);
    }
  }
  return out;
}

class MoeFfnTest : public test::BackendTest {
 protected:
  test::Tolerance rounding(DType type) const {
    return tolerance(test::kExpertsTolerance, test::kRoundedExpertsTolerance, type);
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, MoeFfnTest, test::every_backend(), test::backend_name);

// Three experts of one inner value on one hidden value: gate x, up x, down by ten times their
// number.
TEST_P(MoeFfnTest, SumsTheChosenExpertsByTheirWeights) {
  const Experts experts = {test::f32_weight(3, test::matrix(1, {1, 1, 1})),
                           test::f32_weight(3, test::matrix(1, {1, 1, 1})),
                           test::f32_weight(3, test::matrix(1, {10, 20, 30}))};
  const Routing routing = {{0, 2, 2, 1}, test::matrix(2, {0.5f, 0.25f, 1, 0})};
  const Matrix out = moe_ffn(backend(), test::matrix(1, {1, 2}), experts, routing);
  const double silu1 = 1 / (1 + std::exp(-1.0)), silu2 = 2 / (1 + std::exp(-2.0));
  EXPECT_NEAR(out.values[0], silu1 * (0.5 * 10 + 0.25 * 30), 1e-5);
  EXPECT_NEAR(out.values[1], silu2 * 2 * 30, 1e-4);
}

TEST_P(MoeFfnTest, EveryTypeIsRightToItsRounding) {
  for (const DType dtype : test::weight_dtypes()) {
    for (const Scales scales : {Scales::kOrdinary, Scales::kExtreme}) {
      SCOPED_TRACE(testing::Message() << name(dtype) << " scales " << static_cast<int>(scales));
      const Experts experts = Experts::random(dtype, 3, 256, 256, scales);
      for (const int64_t n_rows : {1, 4}) {
        const Matrix x = test::random_matrix(n_rows, 256, 4);
        const Routing routing = Routing::random(n_rows, 3, 2);
        EXPECT_TRUE(is_near(moe_ffn(backend(), x, experts, routing), formula(x, experts, routing),
                            rounding(dtype)));
      }
    }
  }
}

// A mix as files have it: the down projection in another type than the others.
TEST_P(MoeFfnTest, ProjectionsMayDifferInType) {
  Experts experts = Experts::random(DType::kQ4_K, 4, 256, 256);
  experts.down = test::random_weight(DType::kQ6_K, 4, 256, 256, 3);
  experts.up = test::random_weight(DType::kBF16, 4, 256, 256, 2);
  const Matrix x = test::random_matrix(5, 256, 4);
  const Routing routing = Routing::random(5, 4, 3);
  EXPECT_TRUE(is_near(moe_ffn(backend(), x, experts, routing), formula(x, experts, routing),
                      rounding(DType::kQ4_K)));
}

TEST_P(MoeFfnTest, OddShapesAreRight) {
  for (const auto& [inner, hidden] : {std::pair<int64_t, int64_t>{1, 3}, {5, 33}, {67, 18}}) {
    SCOPED_TRACE(testing::Message() << inner << " " << hidden);
    const Experts experts = Experts::random(DType::kF32, 5, inner, hidden);
    const Matrix x = test::random_matrix(9, hidden, 4, 30.0f);
    const Routing routing = Routing::random(9, 5, 2);
    EXPECT_TRUE(is_near(moe_ffn(backend(), x, experts, routing), formula(x, experts, routing),
                        test::kExpertsTolerance));
  }
  for (const auto& [inner, hidden] : {std::pair<int64_t, int64_t>{32, 96}, {160, 32}}) {
    SCOPED_TRACE(testing::Message() << inner << " " << hidden);
    const Experts experts = Experts::random(DType::kQ8_0, 5, inner, hidden);
    const Matrix x = test::random_matrix(9, hidden, 4);
    const Routing routing = Routing::random(9, 5, 2);
    EXPECT_TRUE(is_near(moe_ffn(backend(), x, experts, routing), formula(x, experts, routing),
                        rounding(DType::kQ8_0)));
  }
}

// As many experts and rows as make some experts crowded and leave others without a row.
TEST_P(MoeFfnTest, CrowdedAndEmptyExpertsAreRight) {
  const Experts experts = Experts::random(DType::kF16, 24, 8, 16);
  const Matrix x = test::random_matrix(300, 16, 4, 20.0f);
  Routing routing = Routing::random(300, 24, 4);
  for (size_t r = 0; r < 300; ++r) routing.ids[r * 4] = 23;
  EXPECT_TRUE(is_near(moe_ffn(backend(), x, experts, routing), formula(x, experts, routing),
                      test::kExpertsTolerance));
}

// G7, G8: the weights carry the factor, and nothing else does.
TEST_P(MoeFfnTest, TheResultScalesWithTheWeights) {
  const Experts experts = Experts::random(DType::kQ8_0, 3, 32, 64);
  const Matrix x = test::random_matrix(4, 64, 4);
  Routing routing = Routing::random(4, 3, 2);
  Matrix expected = moe_ffn(backend(), x, experts, routing);
  for (float& v : expected.values) v *= 2.0f;
  for (float& w : routing.weights.values) w *= 2.0f;
  EXPECT_TRUE(is_same(moe_ffn(backend(), x, experts, routing), expected));
}

// A12: the inner activations of F16 experts may be beyond F16.
TEST_P(MoeFfnTest, InnerActivationsAreNotNarrowed) {
  const Experts experts = Experts::random(DType::kF16, 3, 32, 64);
  const Matrix x = test::random_matrix(4, 64, 4, 1e4f);
  const Routing routing = Routing::random(4, 3, 2);
  EXPECT_TRUE(is_near(moe_ffn(backend(), x, experts, routing), formula(x, experts, routing),
                      test::kExpertsTolerance));
}

// D1, P9, P1: alone or beside others, one of them all NaN, on any number of threads.
TEST_P(MoeFfnTest, ARowHasTheSameBitsInEveryBatchAndOnAnyNumberOfThreads) {
  for (const DType dtype : test::weight_dtypes()) {
    SCOPED_TRACE(name(dtype));
    const Experts experts = Experts::random(dtype, 4, 256, 256);
    Matrix x = test::random_matrix(10, 256, 4);
    for (int64_t c = 0; c < 256; ++c) x.row(9)[c] = std::numeric_limits<float>::quiet_NaN();
    const Routing routing = Routing::random(10, 4, 2);
    const Matrix all = moe_ffn(backend(), x, experts, routing);
    ASSERT_TRUE(is_same(all, moe_ffn(on_one_thread(), x, experts, routing)));
    EXPECT_TRUE(std::isnan(all.row(9)[0]));
    for (const int64_t n_rows : {1, 2, 3, 5, 8}) {
      ASSERT_TRUE(is_same_alone(
          moe_ffn(backend(), x.some_rows(0, n_rows), experts, routing.some_rows(0, n_rows)),
          all.some_rows(0, n_rows)));
    }
    for (const int64_t r : {3, 8}) {
      ASSERT_TRUE(
          is_same_alone(moe_ffn(backend(), x.some_rows(r, 1), experts, routing.some_rows(r, 1)),
                        all.some_rows(r, 1)));
    }
  }
}

// Who asks for it sees what goes into down_proj, choice by choice; the results have the same bits.
TEST_P(MoeFfnTest, ShowsWhatGoesIntoDownProj) {
  const Experts experts = Experts::random(DType::kF16, 5, 96, 64);
  for (const int64_t n_rows : {1, 7, 20}) {
    const Matrix x = test::random_matrix(n_rows, 64, 8);
    const Routing routing = Routing::random(n_rows, 5, 3);
    test::Workbench bench(backend());
    const Tensor out = bench.empty(n_rows, 64), inner = bench.empty(n_rows * 3, 96);
    backend().moe_ffn({.x = bench.put(x),
                       .expert_ids = bench.put(routing.ids, 3),
                       .expert_weights = bench.put(routing.weights),
                       .gate_proj = &bench.upload(experts.gate),
                       .up_proj = &bench.upload(experts.up),
                       .down_proj = &bench.upload(experts.down),
                       .out = out,
                       .inner = inner});
    EXPECT_TRUE(test::is_same(bench.get(out), moe_ffn(backend(), x, experts, routing)));
    const Matrix shown = bench.get(inner);
    for (int64_t i = 0; i < n_rows * 3; ++i) {
      const auto expert = routing.ids[static_cast<size_t>(i)];
      const Matrix row = x.some_rows(i / 3, 1);
      auto expected = test::expected_matmul(row, experts.up.decoded(expert));
      const auto gate = test::expected_matmul(row, experts.gate.decoded(expert));
      for (size_t c = 0; c < expected.values.size(); ++c) {
        const double silu = gate.values[c] / (1.0 + std::exp(-gate.values[c]));
        expected.values[c] *= silu;
        expected.magnitudes[c] *= std::max(1.0, gate.magnitudes[c]);
      }
      EXPECT_TRUE(test::is_near(
          shown.some_rows(i, 1), expected,
          tolerance(test::kExpertsTolerance, test::kRoundedExpertsTolerance, DType::kF16)));
    }
  }
}

TEST_P(MoeFfnTest, AnExpertThatIsNotThereIsAnInternalError) {
  const Experts experts = Experts::random(DType::kF32, 3, 2, 2);
  for (const int32_t id : {-1, 3}) {
    test::Workbench bench(backend());
    backend().moe_ffn({.x = bench.put(test::matrix(2, {1, 2})),
                       .expert_ids = bench.put(Ids{id}),
                       .expert_weights = bench.put(test::matrix(1, {1})),
                       .gate_proj = &bench.upload(experts.gate),
                       .up_proj = &bench.upload(experts.up),
                       .down_proj = &bench.upload(experts.down),
                       .out = bench.empty(1, 2)});
    EXPECT_EQ(code_of(backend().wait()), HADAL_E_INTERNAL);
  }
}

TEST_P(MoeFfnTest, NoRowsIsNothingToDo) {
  const Experts experts = Experts::random(DType::kQ8_0, 3, 32, 32);
  const Routing routing = {{}, test::matrix_of(0, 2, 0.0f)};
  EXPECT_TRUE(moe_ffn(backend(), test::matrix_of(0, 32, 0.0f), experts, routing).values.empty());
}

}  // namespace
}  // namespace hadal
