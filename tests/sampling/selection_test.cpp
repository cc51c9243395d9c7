// Mirrors lib/sampling/{candidates,top_k,typical,top_p,min_p,xtc}: the stages that take candidates
// out, by hand and against a full sort.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/sampling/sampling_fixture.hpp"

namespace hadal::test {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

TEST(CandidatesTest, WhatMayNotBeChosenIsNoCandidate) {
  EXPECT_EQ(ids_of(from_logits({1, kNever, 3, kNever})), (Ids{0, 2}));
  EXPECT_TRUE(from_logits({}).empty());
}

TEST(CandidatesTest, BestWeighsOneAtEveryTemperature) {
  for (const double temperature : {1e-320, 1e-300, 1e-9, 1.0, 1e9, 1e300}) {
    const std::vector<double> weights = weights_of(from_logits({-5e37f, 3e38f}), temperature);
    EXPECT_EQ(weights[1], 1.0) << temperature;
    EXPECT_EQ(weights[0], temperature < 1e30 ? 0.0 : 1.0) << temperature;
  }
}

TEST(TopKTest, KeepsTheBestInOrderOfId) {
  Candidates candidates = from_logits({1, 5, 3, 4, 2});
  keep_top_k(candidates, 3);
  EXPECT_EQ(ids_of(candidates), (Ids{1, 2, 3}));
}

TEST(TopKTest, TiesGoToTheLowerId) {
  Candidates candidates = from_logits({2, 7, 2, 2, 2});
  keep_top_k(candidates, 3);
  EXPECT_EQ(ids_of(candidates), (Ids{0, 1, 2}));
}

TEST(TopKTest, LargerKKeepsAll) {
  Candidates candidates = from_logits({1, 2});
  keep_top_k(candidates, 2);
  EXPECT_EQ(candidates.size(), 2u);
  keep_top_k(candidates, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(candidates.size(), 2u);
}

TEST(TopPTest, KeepsTheSmallestSetWithTheMass) {
  const Candidates all = from_probabilities({0.1, 0.4, 0.2, 0.3});
  for (const auto& [p, expected] : std::vector<std::pair<double, Ids>>{{0.0, {1}},
                                                                       {0.39, {1}},
                                                                       {0.41, {1, 3}},
                                                                       {0.69, {1, 3}},
                                                                       {0.71, {1, 2, 3}},
                                                                       {0.91, {0, 1, 2, 3}},
                                                                       {0.999999, {0, 1, 2, 3}}}) {
    Candidates candidates = all;
    keep_top_p(candidates, p);
    EXPECT_EQ(ids_of(candidates), expected) << p;
  }
}

TEST(TopPTest, TiesGoToTheLowerId) {
  Candidates candidates = from_logits({1, 1, 1, 1});
  keep_top_p(candidates, 0.5);
  EXPECT_EQ(ids_of(candidates), (Ids{0, 1}));
}

TEST(TopPTest, OneCandidateRemains) {
  Candidates candidates = from_logits({-3});
  keep_top_p(candidates, 0.0);
  EXPECT_EQ(ids_of(candidates), (Ids{0}));
}

TEST(MinPTest, KeepsWhatIsNotMuchWorseThanTheBest) {
  const Candidates all = from_probabilities({0.5, 0.26, 0.2, 0.04});
  for (const auto& [min_p, expected] : std::vector<std::pair<double, Ids>>{
           {0.07, {0, 1, 2, 3}}, {0.1, {0, 1, 2}}, {0.5, {0, 1}}, {0.9, {0}}}) {
    Candidates candidates = all;
    keep_min_p(candidates, min_p);
    EXPECT_EQ(ids_of(candidates), expected) << min_p;
  }
}

TEST(MinPTest, OneKeepsTheEquallyBest) {
  Candidates candidates = from_logits({2, 3, 3, 2.9999998f});
  keep_min_p(candidates, 1.0);
  EXPECT_EQ(ids_of(candidates), (Ids{1, 2}));
}

TEST(TypicalTest, PrefersTheExpectedSurpriseToTheBest) {
  // Entropy 1.43 nats. Surprises: 0.36 (0.7) ... each of the ten others 3.51: the most probable is
  // closest here. With 0.3 and seven times 0.1: entropy 1.97, surprises 1.20 and 2.30.
  Candidates candidates = from_probabilities({0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1});
  keep_typical(candidates, 0.35);
  EXPECT_EQ(ids_of(candidates), (Ids{1, 2, 3, 4}));

  candidates =
      from_probabilities({0.7, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03});
  keep_typical(candidates, 0.5);
  EXPECT_EQ(ids_of(candidates), (Ids{0}));
}

TEST(TypicalTest, WeightlessCandidatesDoNoHarm) {
  Candidates candidates = from_logits({3e38f, 3e38f, -3e38f});
  keep_typical(candidates, 0.9);
  EXPECT_EQ(ids_of(candidates), (Ids{0, 1}));
}

TEST(XtcTest, KeepsTheLeastOfTheTopChoices) {
  const Candidates all = from_probabilities({0.1, 0.4, 0.2, 0.25, 0.05});
  for (const auto& [threshold, expected] :
       std::vector<std::pair<double, Ids>>{{0.15, {0, 2, 4}},  // of 1, 2 and 3 the least is 2
                                           {0.09, {0, 4}},
                                           {0.3, {0, 1, 2, 3, 4}},  // only one is good enough
                                           {0.6, {0, 1, 2, 3, 4}},  // none is
                                           {0.0, {4}}}) {
    Candidates candidates = all;
    exclude_top_choices(candidates, threshold);
    EXPECT_EQ(ids_of(candidates), expected) << threshold;
  }
}

// A full sort, for comparison.
Ids kept_by_sorting(const std::vector<double>& ranks, const std::vector<double>& weights,
                    double wanted) {
  Ids order(ranks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return ranks[static_cast<size_t>(a)] < ranks[static_cast<size_t>(b)];
  });
  double mass = 0.0;
  Ids kept;
  for (const int32_t i : order) {
    kept.push_back(i);
    mass += weights[static_cast<size_t>(i)];
    if (mass >= wanted) break;
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

TEST(KeepMassTest, AgreesWithAFullSort) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const size_t n = 1 + seed * 7;
    std::vector<double> ranks(n), weights(n);
    for (size_t i = 0; i < n; ++i) {
      const Uniforms u = uniforms(seed, i);
      // Many equal ranks, or few; whole weights, so that every order sums up to the same.
      ranks[i] = seed % 2 == 0 ? std::floor(u.token * 10.0) : u.token;
      weights[i] = std::floor(u.xtc * 5.0);
    }
    const double total = sum(weights);
    for (const double share : {0.0, 0.1, 0.5, 0.95, 1.0}) {
      Candidates candidates = from_logits(Floats(n, 0.0f));
      keep_mass(candidates, ranks, weights, std::floor(share * total));
      EXPECT_EQ(ids_of(candidates), kept_by_sorting(ranks, weights, std::floor(share * total)))
          << seed << " " << share;
    }
  }
}

TEST(KeepMassTest, UnreachableMassKeepsAll) {
  for (const std::vector<double>& ranks : {std::vector<double>{1, 2, 3}, {2, 2, 2}}) {
    Candidates candidates = from_logits({0, 0, 0});
    keep_mass(candidates, ranks, std::vector<double>{0.1, 0.2, 0.3}, 7.0);
    EXPECT_EQ(ids_of(candidates), (Ids{0, 1, 2}));
  }
}

TEST(KeepMassTest, OneOutlierDoesNotSpoilTheSlices) {
  const std::vector<double> ranks = {1e300, 1, 3, 2};
  Candidates candidates = from_logits({0, 0, 0, 0});
  keep_mass(candidates, ranks, std::vector<double>{1, 1, 1, 1}, 2.0);
  EXPECT_EQ(ids_of(candidates), (Ids{1, 3}));
}

}  // namespace
}  // namespace hadal::test
