// Mirrors backends/*/moe_route.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>

#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Floats;
using test::Ids;
using test::Matrix;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Router {
  int32_t num_experts_per_tok = 2;
  ScoringFunc scoring_func = ScoringFunc::kSigmoid;
  TopkMethod topk_method = TopkMethod::kNoauxTc;
  int32_t n_group = 1;
  int32_t topk_group = 1;
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1.0f;
};

struct Routed {
  Ids expert_ids;
  Matrix expert_weights;
};

Routed route(Backend& backend, const Matrix& logits, const Floats& bias, const Router& router) {
  test::Workbench bench(backend);
  const Tensor ids = bench.empty_ids(logits.rows, router.num_experts_per_tok);
  const Tensor weights = bench.empty(logits.rows, router.num_experts_per_tok);
  const Weight* correction = bias.empty() ? nullptr : &bench.upload(test::f32_vector(bias));
  backend.moe_route({.logits = bench.put(logits),
                     .e_score_correction_bias = correction,
                     .expert_ids = ids,
                     .expert_weights = weights,
                     .n_group = router.n_group,
                     .topk_group = router.topk_group,
                     .scoring_func = router.scoring_func,
                     .topk_method = router.topk_method,
                     .norm_topk_prob = router.norm_topk_prob,
                     .routed_scaling_factor = router.routed_scaling_factor});
  return {bench.get_ids(ids), bench.get(weights)};
}

float logit(float score) { return std::log(score / (1.0f - score)); }

class MoeRouteTest : public test::BackendTest {
 protected:
  // Routes one row over eight experts in four groups of two, small enough to do by hand. `score` is
  // what the router should see after its sigmoid.
  Routed route_eight(const Floats& score, const Floats& bias, int32_t topk_group) {
    Floats logits;
    for (const float s : score) logits.push_back(logit(s));
    return route(backend(), test::matrix(8, logits), bias,
                 {.n_group = 4, .topk_group = topk_group});
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, MoeRouteTest, test::every_backend(), test::backend_name);

// G1.
TEST_P(MoeRouteTest, CorrectionBiasPicksAnExpertButDoesNotWeighIt) {
  const auto routed =
      route_eight({.9f, .1f, .3f, .3f, .2f, .2f, .1f, .2f}, {0, 0, 0, 0, 0, 0, 0, 1}, 2);
  EXPECT_EQ(routed.expert_ids, (Ids{7, 0}));
  EXPECT_NEAR(routed.expert_weights.values[0], .2 / 1.1, 1e-6);  // 1.2 / 2.1 if biased
  EXPECT_NEAR(routed.expert_weights.values[1], .9 / 1.1, 1e-6);
}

// G1: a bias that changes no choice changes nothing.
TEST_P(MoeRouteTest, TheSameBiasForAllChangesNothing) {
  const Matrix logits = test::random_matrix(9, 16, 1);
  const Router router = {.num_experts_per_tok = 4, .n_group = 4, .topk_group = 2};
  const auto plain = route(backend(), logits, Floats(16, 0.0f), router);
  for (const float bias : {-3.0f, 5.0f}) {
    const auto biased = route(backend(), logits, Floats(16, bias), router);
    EXPECT_EQ(biased.expert_ids, plain.expert_ids);
    EXPECT_TRUE(is_same(biased.expert_weights, plain.expert_weights));
  }
}

// G2, of the V3 line.
TEST_P(MoeRouteTest, GroupIsAsGoodAsItsTwoBestExpertsTogether) {
  const auto routed = route_eight({.9f, .05f, .5f, .5f, .1f, .1f, .1f, .1f}, Floats(8), 1);
  EXPECT_EQ(routed.expert_ids, (Ids{2, 3}));  // {0, 1} if judged by the best expert alone
}

// G2: the two best by what they are chosen by, bias included.
TEST_P(MoeRouteTest, GroupsAreJudgedByBiasedScores) {
  const auto routed =
      route_eight({.5f, .5f, .4f, .4f, .1f, .1f, .1f, .1f}, {0, 0, .2f, .2f, 0, 0, 0, 0}, 1);
  EXPECT_EQ(routed.expert_ids, (Ids{2, 3}));
}

// G2, of V2: judged by its best expert, {2, 3} if by two.
TEST_P(MoeRouteTest, GroupLimitedGreedyJudgesAGroupByItsBestExpert) {
  const auto routed = route(backend(), test::matrix(8, {4, -9, 3, 3, 1, 1, 1, 1}), {},
                            {.scoring_func = ScoringFunc::kSoftmax,
                             .topk_method = TopkMethod::kGroupLimitedGreedy,
                             .n_group = 4,
                             .topk_group = 1});
  EXPECT_EQ(routed.expert_ids, (Ids{0, 1}));
}

TEST_P(MoeRouteTest, GreedyKnowsNoGroups) {
  const auto routed = route(backend(), test::matrix(8, {4, -9, 3, 2, 1, 1, 1, 1}), {},
                            {.scoring_func = ScoringFunc::kSoftmax,
                             .topk_method = TopkMethod::kGreedy,
                             .n_group = 4,
                             .topk_group = 1});
  EXPECT_EQ(routed.expert_ids, (Ids{0, 2}));
}

// G11: a file that names no groups.
TEST_P(MoeRouteTest, NoauxTcWithoutGroupsIsPlainTopKOfBiasedScores) {
  const auto routed =
      route(backend(), test::matrix(4, {logit(.6f), logit(.2f), logit(.5f), logit(.1f)}),
            {0, .5f, 0, 0}, {});
  EXPECT_EQ(routed.expert_ids, (Ids{1, 0}));
}

// G3: where choices are negative, an excluded 0 would beat them.
TEST_P(MoeRouteTest, ExcludedGroupsStayExcludedWhenEveryChoiceIsNegative) {
  const auto routed = route_eight({.9f, .8f, .1f, .1f, .1f, .1f, .1f, .1f}, Floats(8, -2.0f), 1);
  EXPECT_EQ(routed.expert_ids, (Ids{0, 1}));
}

// G3: the best two groups have a good expert and one of -3 each; all four are due.
TEST_P(MoeRouteTest, NegativeChoicesOfKeptGroupsBeatExcludedOnes) {
  Floats logits(8, 0.0f), bias = {4, -3, 4, -3, 0, 0, 0, 0};
  const auto routed = route(backend(), test::matrix(8, logits), bias,
                            {.num_experts_per_tok = 4, .n_group = 4, .topk_group = 2});
  EXPECT_EQ(routed.expert_ids, (Ids{0, 2, 1, 3}));
}

// G4: biases of released models lie at 2 to 7 and decide by 1e-3; 1e-4 still counts. In BF16 these
// would all be the same.
TEST_P(MoeRouteTest, NearTiesOfBiasesAreToldApart) {
  const auto routed = route(backend(), test::matrix(4, Floats(4, 0.0f)),
                            {6.9999f, 7.0000f, 7.0002f, 7.0001f}, {.num_experts_per_tok = 4});
  EXPECT_EQ(routed.expert_ids, (Ids{2, 3, 1, 0}));
}

TEST_P(MoeRouteTest, NearTiesOfLogitsAreToldApart) {
  const auto routed = route(backend(), test::matrix(4, {1.0000f, 1.0003f, 1.0001f, 1.0002f}), {},
                            {.num_experts_per_tok = 4});
  EXPECT_EQ(routed.expert_ids, (Ids{1, 3, 2, 0}));
}

TEST_P(MoeRouteTest, TiesGoToTheLowerId) {
  const auto experts =
      route(backend(), test::matrix(6, {0, 1, 1, 0, 1, 0}), {}, {.num_experts_per_tok = 5});
  EXPECT_EQ(experts.expert_ids, (Ids{1, 2, 4, 0, 3}));
  const auto groups = route(backend(), test::matrix(8, Floats(8, 0.5f)), {},
                            {.num_experts_per_tok = 4, .n_group = 4, .topk_group = 2});
  EXPECT_EQ(groups.expert_ids, (Ids{0, 1, 2, 3}));
}

// G7, G8.
TEST_P(MoeRouteTest, ScalingFactorAppliesOnce) {
  const Matrix logits = test::random_matrix(5, 16, 1);
  for (const bool norm : {false, true}) {
    Router router = {.num_experts_per_tok = 4, .norm_topk_prob = norm};
    const auto plain = route(backend(), logits, {}, router);
    router.routed_scaling_factor = 2.5f;
    const auto scaled = route(backend(), logits, {}, router);
    for (size_t i = 0; i < plain.expert_weights.values.size(); ++i) {
      EXPECT_FLOAT_EQ(scaled.expert_weights.values[i], 2.5f * plain.expert_weights.values[i]);
    }
  }
}

// G9: 0 / 0 otherwise.
TEST_P(MoeRouteTest, WeightsAreFiniteWhenEverySigmoidUnderflows) {
  const auto routed = route(backend(), test::matrix_of(1, 8, -200.0f), Floats(8, 1.0f), {});
  EXPECT_EQ(routed.expert_ids, (Ids{0, 1}));
  for (const float w : routed.expert_weights.values) EXPECT_TRUE(std::isfinite(w) && w >= 0.0f);
}

// G13: the gate and the flag do not imply each other.
TEST_P(MoeRouteTest, NormalisesIfAskedAndOnlyThenWithEitherGate) {
  const Matrix logits =
      test::matrix(4, {std::log(.1f), std::log(.2f), std::log(.3f), std::log(.4f)});
  const double sigmoid3 = .3 / 1.3, sigmoid4 = .4 / 1.4;
  const struct {
    ScoringFunc scoring_func;
    bool norm;
    double first, second;
  } cases[] = {
      {ScoringFunc::kSoftmax, false, .4, .3},
      {ScoringFunc::kSoftmax, true, .4 / .7, .3 / .7},
      {ScoringFunc::kSigmoid, false, sigmoid4, sigmoid3},
      {ScoringFunc::kSigmoid, true, sigmoid4 / (sigmoid3 + sigmoid4),
       sigmoid3 / (sigmoid3 + sigmoid4)},
  };
  for (const auto& c : cases) {
    const auto routed = route(backend(), logits, {},
                              {.scoring_func = c.scoring_func,
                               .topk_method = TopkMethod::kGreedy,
                               .norm_topk_prob = c.norm});
    EXPECT_EQ(routed.expert_ids, (Ids{3, 2}));
    EXPECT_NEAR(routed.expert_weights.values[0], c.first, 1e-6);
    EXPECT_NEAR(routed.expert_weights.values[1], c.second, 1e-6);
  }
}

TEST_P(MoeRouteTest, ASingleExpertIsNotNormalised) {
  const auto routed =
      route(backend(), test::matrix(2, {logit(.25f), logit(.5f)}), {}, {.num_experts_per_tok = 1});
  EXPECT_EQ(routed.expert_ids, (Ids{1}));
  EXPECT_NEAR(routed.expert_weights.values[0], 0.5, 1e-6);
}

TEST_P(MoeRouteTest, LargeLogitsOverflowNothing) {
  for (const ScoringFunc scoring_func : {ScoringFunc::kSoftmax, ScoringFunc::kSigmoid}) {
    const auto routed = route(backend(), test::matrix(4, {1e4f, -1e4f, 2e4f, -3e38f}), {},
                              {.scoring_func = scoring_func, .topk_method = TopkMethod::kGreedy});
    EXPECT_TRUE(std::isfinite(routed.expert_weights.values[0]));
    EXPECT_TRUE(std::isfinite(routed.expert_weights.values[1]));
    EXPECT_GT(routed.expert_weights.values[0], 0.0f);
  }
}

// Whatever the layers before have done, ids are ids, each once; and what is no number stays
// visible.
TEST_P(MoeRouteTest, LogitsThatAreNoNumbersStillGiveExperts) {
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    for (const size_t n_bad : {1u, 7u, 16u}) {
      for (const TopkMethod method :
           {TopkMethod::kGreedy, TopkMethod::kGroupLimitedGreedy, TopkMethod::kNoauxTc}) {
        for (const ScoringFunc scoring_func : {ScoringFunc::kSoftmax, ScoringFunc::kSigmoid}) {
          SCOPED_TRACE(testing::Message() << n_bad << " x " << bad);
          Matrix logits = test::random_matrix(2, 16, 1);
          for (size_t i = 0; i < n_bad; ++i) logits.values[16 + (i * 5) % 16] = bad;
          const Router router = {.num_experts_per_tok = 6,
                                 .scoring_func = scoring_func,
                                 .topk_method = method,
                                 .n_group = 4,
                                 .topk_group = 2};
          const auto routed = route(backend(), logits, {}, router);
          const std::set<int32_t> second(routed.expert_ids.begin() + 6, routed.expert_ids.end());
          EXPECT_EQ(second.size(), 6u);
          EXPECT_GE(*second.begin(), 0);
          EXPECT_LT(*second.rbegin(), 16);
          // P1: the sound row beside it is as ever.
          const auto alone = route(backend(), logits.some_rows(0, 1), {}, router);
          EXPECT_EQ(alone.expert_ids,
                    Ids(routed.expert_ids.begin(), routed.expert_ids.begin() + 6));
          EXPECT_TRUE(is_same(alone.expert_weights, routed.expert_weights.some_rows(0, 1)));
        }
      }
    }
  }
}

// D1, P9.
TEST_P(MoeRouteTest, ARowHasTheSameBitsInEveryBatchAndOnAnyNumberOfThreads) {
  const Matrix logits = test::random_matrix(33, 256, 1, 2.0f);
  const Floats bias = test::random_matrix(1, 256, 2).values;
  const Router router = {.num_experts_per_tok = 8, .n_group = 8, .topk_group = 4};
  const auto all = route(backend(), logits, bias, router);
  const auto one_thread = route(on_one_thread(), logits, bias, router);
  EXPECT_EQ(all.expert_ids, one_thread.expert_ids);
  EXPECT_TRUE(is_same(all.expert_weights, one_thread.expert_weights));
  for (int64_t r = 0; r < 33; ++r) {
    const auto alone = route(backend(), logits.some_rows(r, 1), bias, router);
    EXPECT_EQ(alone.expert_ids,
              Ids(all.expert_ids.begin() + r * 8, all.expert_ids.begin() + (r + 1) * 8));
    EXPECT_TRUE(is_same(alone.expert_weights, all.expert_weights.some_rows(r, 1)));
  }
}

// Another way to say the same, in double: an expert is chosen if fewer than k are better, counting
// those of kept groups; a group is kept if fewer than topk_group are better. Nothing if two choices
// lie so near each other that rounding to f32 may swap them.
struct Choice {
  std::vector<std::pair<double, int32_t>> best_first;  // weight, expert
};
std::optional<Choice> choose(const float* logits, const Floats& bias, const Router& r, size_t n) {
  constexpr double kNear = 4e-6;
  std::vector<double> score(n), by(n);
  double sum = 0.0;
  for (size_t e = 0; e < n; ++e) sum += std::exp(static_cast<double>(logits[e]));
  for (size_t e = 0; e < n; ++e) {
    const double z = std::exp(static_cast<double>(logits[e]));
    score[e] = r.scoring_func == ScoringFunc::kSigmoid ? z / (1.0 + z) : z / sum;
    by[e] = score[e] + (bias.empty() ? 0.0 : static_cast<double>(bias[e]));
  }
  const size_t n_group = static_cast<size_t>(r.n_group), size = n / n_group;
  std::vector<double> group(n_group);
  for (size_t g = 0; g < n_group; ++g) {
    double first = -1e300, second = -1e300;
    for (size_t e = g * size; e < (g + 1) * size; ++e) {
      if (by[e] > first) {
        second = std::exchange(first, by[e]);
      } else if (by[e] > second) {
        second = by[e];
      }
    }
    group[g] = r.topk_method == TopkMethod::kNoauxTc ? first + second : first;
  }
  std::vector<size_t> candidates;
  for (size_t e = 0; e < n; ++e) {
    int32_t better = 0;
    for (const double other : group) {
      if (other > group[e / size]) ++better;
      if (other != group[e / size] && std::abs(other - group[e / size]) < kNear) return {};
    }
    const bool grouped = r.n_group > 1 && r.topk_method != TopkMethod::kGreedy;
    if (!grouped || better < r.topk_group) candidates.push_back(e);
  }
  std::sort(candidates.begin(), candidates.end(),
            [&](size_t a, size_t b) { return by[a] > by[b]; });
  Choice choice;
  double chosen = 0.0;
  for (int32_t k = 0; k < r.num_experts_per_tok; ++k) {
    const size_t e = candidates[static_cast<size_t>(k)];
    if (static_cast<size_t>(k) + 1 < candidates.size() &&
        by[e] - by[candidates[static_cast<size_t>(k) + 1]] < kNear) {
      return {};
    }
    choice.best_first.emplace_back(score[e], static_cast<int32_t>(e));
    chosen += score[e];
  }
  for (auto& [weight, e] : choice.best_first) {
    if (r.norm_topk_prob) weight /= chosen;
    weight *= static_cast<double>(r.routed_scaling_factor);
  }
  return choice;
}

// Compares every row with choose(). How many rows were compared.
int64_t compare(Backend& backend, const Matrix& logits, const Floats& bias, const Router& router) {
  const auto routed = route(backend, logits, bias, router);
  const size_t k = static_cast<size_t>(router.num_experts_per_tok);
  int64_t n_compared = 0;
  for (int64_t r = 0; r < logits.rows; ++r) {
    const auto choice = choose(logits.row(r), bias, router, static_cast<size_t>(logits.cols));
    if (!choice) continue;
    ++n_compared;
    for (size_t i = 0; i < k; ++i) {
      const auto& [weight, expert] = choice->best_first[i];
      const size_t at = static_cast<size_t>(r) * k + i;
      EXPECT_EQ(routed.expert_ids[at], expert) << "row " << r << ", choice " << i;
      EXPECT_NEAR(routed.expert_weights.values[at], weight, 1e-5 * weight + 1e-12);
    }
    if (testing::Test::HasFailure()) break;
  }
  return n_compared;
}

// G12: a hundred thousand random cases, biases of both signs.
TEST_P(MoeRouteTest, AgreesWithAnIndependentRouterOnRandomScores) {
  int64_t n_compared = 0;
  uint64_t seed = 1;
  for (const TopkMethod method :
       {TopkMethod::kNoauxTc, TopkMethod::kGroupLimitedGreedy, TopkMethod::kGreedy}) {
    for (const ScoringFunc scoring_func : {ScoringFunc::kSigmoid, ScoringFunc::kSoftmax}) {
      for (int i = 0; i < 17; ++i) {
        const Router router = {.num_experts_per_tok = 4,
                               .scoring_func = scoring_func,
                               .topk_method = method,
                               .n_group = 4,
                               .topk_group = 1 + i % 3,
                               .norm_topk_prob = i % 2 == 0,
                               .routed_scaling_factor = 2.5f};
        const Matrix logits = test::random_matrix(1000, 16, ++seed, 1.5f);
        const Floats bias =
            method == TopkMethod::kNoauxTc
                ? test::random_matrix(1, 16, ++seed, i % 4 == 0 ? 3.0f : 0.3f).values
                : Floats();
        n_compared += compare(backend(), logits, bias, router);
        ASSERT_FALSE(HasFailure()) << "case " << i << " of method " << static_cast<int>(method);
      }
    }
  }
  EXPECT_GT(n_compared, 100'000);
}

TEST_P(MoeRouteTest, AgreesWithAnIndependentRouterForTheWholeFamily) {
  const struct {
    const char* name;
    int64_t n_experts;
    Router router;
  } family[] = {
      {"V3", 256, {8, ScoringFunc::kSigmoid, TopkMethod::kNoauxTc, 8, 4, true, 2.5f}},
      {"V2", 160, {6, ScoringFunc::kSoftmax, TopkMethod::kGroupLimitedGreedy, 8, 3, false, 16.0f}},
      {"V2-Lite", 64, {6, ScoringFunc::kSoftmax, TopkMethod::kGreedy, 1, 1, false, 1.0f}},
      {"Moonlight", 64, {6, ScoringFunc::kSigmoid, TopkMethod::kNoauxTc, 1, 1, true, 2.446f}},
      {"Kimi-K2", 384, {8, ScoringFunc::kSigmoid, TopkMethod::kNoauxTc, 1, 1, true, 2.827f}},
  };
  for (const auto& [name, n_experts, router] : family) {
    SCOPED_TRACE(name);
    const Matrix logits = test::random_matrix(200, n_experts, 1, 2.0f);
    Floats bias;
    if (router.topk_method == TopkMethod::kNoauxTc) {
      bias = test::random_matrix(1, n_experts, 2, 0.2f).values;
      for (float& b : bias) b += 5.0f;  // as released: large, and near each other
    }
    EXPECT_GT(compare(backend(), logits, bias, router), 150);
  }
}

}  // namespace
}  // namespace hadal
