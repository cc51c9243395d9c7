// Every toy file of the family, end to end, against the float64 forward pass: logits, argmax,
// chosen experts and their weights, cache rows, greedy continuations. Runs on every backend.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "backends/cpu/cpu_features.hpp"
#include "backends/onednn/crossover.hpp"
#include "tests/model/toys.hpp"

namespace hadal::test {
namespace {

struct Case {
  Toy toy;
  std::string backend;
  bool batch_invariant = true;  // else attention is expanded where that is cheaper
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Toy& toy : all_toys()) {
    for (const char* backend : {"reference", "cpu"}) cases.push_back({toy, backend});
    cases.push_back({toy, "cpu", false});
#ifdef HADAL_TEST_MODULES
    if (onednn::is_of_use(cpu::features_of_this_machine())) {
      cases.push_back({toy, "onednn"});
      cases.push_back({toy, "onednn", false});
    }
#endif
  }
  return cases;
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const std::string& file = info.param.toy.file;
  const size_t slash = file.find('/');
  std::string name = slash == std::string::npos ? file + "_directory" : file.substr(slash + 1);
  name = name.substr(0, name.find(".gguf")) + "_" + info.param.backend +
         (info.param.batch_invariant ? "" : "_expanding");
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

class GoldenTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    ModelOptions options;
    options.backend = {.name = GetParam().backend,
                       .isa = "auto",
                       .activations = "f32",
                       .batch_invariant = GetParam().batch_invariant};
#ifdef HADAL_TEST_MODULES
    options.backend.module_path = HADAL_TEST_MODULES;
#endif
    model_ = load(HADAL_TEST_DATA "/golden/toys/" + GetParam().toy.file, options, 1);
    golden_ = read_golden("toys/" + GetParam().toy.golden);
    ASSERT_NE(model_, nullptr);
    ASSERT_EQ(golden_["prompts"].size(), 3u);
  }
  // A toy has no cancellation worth mentioning, so f32 sums differ from float64 by their last bits.
  double cache_tolerance() const { return 1e-5; }

  std::shared_ptr<Model> model_;
  Json golden_;
};

INSTANTIATE_TEST_SUITE_P(Toys, GoldenTest, testing::ValuesIn(all_cases()), case_name);

TEST_P(GoldenTest, LogitsAndArgmaxAtEveryPosition) {
  double worst = 0.0;
  for (const Json& prompt : golden_["prompts"]) {
    const auto tokens = prompt["tokens"].get<std::vector<int32_t>>();
    const PassResult got = Sequence(*model_).run(tokens);
    for (const Json& wanted : prompt["logits"]) {
      const auto& logits = got.logits[wanted["position"].get<size_t>()];
      const auto values = wanted["values"].get<std::vector<double>>();
      ASSERT_EQ(values.size(), logits.size());
      for (size_t i = 0; i < values.size(); ++i) {
        worst = std::max(worst, std::abs(values[i] - static_cast<double>(logits[i])));
      }
    }
    for (size_t p = 0; p < tokens.size(); ++p) {
      EXPECT_EQ(argmax(got.logits[p]), prompt["argmax"][p].get<int32_t>()) << "position " << p;
    }
  }
  RecordProperty("largest_logit_difference", std::to_string(worst));
  EXPECT_LE(worst, GetParam().toy.logit_tolerance);
}

// Traps G1 to G4, G7, G11 to G13 on whole models: sets, order by weight, and weights.
TEST_P(GoldenTest, ChosenExpertsAndTheirWeights) {
  for (const Json& prompt : golden_["prompts"]) {
    const PassResult got = Sequence(*model_).run(prompt["tokens"].get<std::vector<int32_t>>());
    for (const Json& wanted : prompt["routing"]) {
      const auto& routing =
          got.routing[wanted["layer"].get<size_t>()][wanted["position"].get<size_t>()];
      std::map<int32_t, double> by_expert;
      for (size_t k = 0; k < routing.experts.size(); ++k) {
        by_expert[routing.experts[k]] = static_cast<double>(routing.weights[k]);
      }
      const auto experts = wanted["experts"].get<std::vector<int32_t>>();
      const auto weights = wanted["weights"].get<std::vector<double>>();
      ASSERT_EQ(by_expert.size(), experts.size());
      for (size_t k = 0; k < experts.size(); ++k) {
        ASSERT_TRUE(by_expert.contains(experts[k])) << "expert " << experts[k] << " not chosen";
        EXPECT_NEAR(by_expert[experts[k]], weights[k], 1e-5 * std::max(1.0, std::abs(weights[k])));
      }
    }
  }
}

// Trap A14: the cache holds the normalised latent and the rotated key, and nothing else.
TEST_P(GoldenTest, CacheRows) {
  double worst = 0.0;
  for (const Json& prompt : golden_["prompts"]) {
    Sequence sequence(*model_);
    sequence.run(prompt["tokens"].get<std::vector<int32_t>>());
    for (const Json& wanted : prompt["cache"]) {
      auto values = wanted["c_kv"].get<std::vector<double>>();
      for (const double k : wanted["k_pe"].get<std::vector<double>>()) values.push_back(k);
      const auto row =
          sequence.cache_row(wanted["layer"].get<int32_t>(), wanted["position"].get<int32_t>());
      ASSERT_EQ(row.size(), values.size());
      for (size_t i = 0; i < row.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(row[i]) - values[i]));
      }
    }
  }
  RecordProperty("largest_cache_difference", std::to_string(worst));
  EXPECT_LE(worst, cache_tolerance());
}

TEST_P(GoldenTest, GreedyContinuation) {
  for (const Json& prompt : golden_["prompts"]) {
    if (!prompt.contains("greedy")) continue;
    Sequence sequence(*model_);
    const auto tokens = prompt["tokens"].get<std::vector<int32_t>>();
    int32_t next = argmax(sequence.run(tokens).logits.back());
    std::vector<int32_t> got;
    for (size_t i = 0; i < prompt["greedy"].size(); ++i) {
      got.push_back(next);
      next = argmax(sequence.run({&got.back(), 1}).logits.back());
    }
    EXPECT_EQ(got, prompt["greedy"].get<std::vector<int32_t>>());
  }
}

// Trap A16: a prompt in several passes sees the filled cache as one pass does. Bit for bit, where
// every row is computed alone and in a fixed order (D4).
TEST_P(GoldenTest, ChunksOfAnySizeGiveTheSame) {
  const auto tokens = golden_["prompts"][2]["tokens"].get<std::vector<int32_t>>();
  const PassResult whole = Sequence(*model_).run(tokens);
  for (const size_t chunk : {1u, 2u, 3u, 63u, 64u, 65u}) {
    Sequence sequence(*model_);
    std::span<const int32_t> rest = tokens;
    while (!rest.empty()) {
      const size_t n = std::min(chunk, rest.size());
      const size_t first = static_cast<size_t>(sequence.length());
      const PassResult part = sequence.run(rest.first(n));
      for (size_t i = 0; i < n; ++i) {
        const std::vector<float>&here = part.logits[i], &there = whole.logits[first + i];
        if (GetParam().batch_invariant) {
          ASSERT_EQ(here, there) << "chunks of " << chunk;
        } else {
          for (size_t c = 0; c < there.size(); ++c)
            ASSERT_NEAR(here[c], there[c], GetParam().toy.logit_tolerance) << "chunks of " << chunk;
        }
      }
      rest = rest.subspan(n);
    }
  }
}

}  // namespace
}  // namespace hadal::test
