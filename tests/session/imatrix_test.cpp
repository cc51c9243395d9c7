// Mirrors lib/session/measured_importance and save_imatrix, and with them the sums of the backend:
// what a toy measures against float64, and that measuring changes nothing else.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "lib/session/measured_importance.hpp"
#include "lib/session/save_imatrix.hpp"
#include "tests/session/workbench.hpp"

namespace hadal::test {
namespace {

constexpr const char* kGolden = HADAL_TEST_DATA "/golden/imatrix/v3.gguf";

std::shared_ptr<ServedModel> measuring(const std::shared_ptr<Runtime>& runtime, const char* backend,
                                       const std::string& path = kToy, int64_t chunk_rows = 48) {
  Config config = with(HADAL_OPT_IMATRIX, 1);
  EXPECT_TRUE(config.set_str(HADAL_OPT_BACKEND, backend).ok());
  EXPECT_TRUE(config.set_i64(HADAL_OPT_CHUNK_ROWS, chunk_rows).ok());
  EXPECT_TRUE(config.set_str(HADAL_OPT_CPU_ACTIVATIONS, "f32").ok());  // as the golden's
  return load(runtime, path, config);
}

std::vector<float> read_prompt(const std::shared_ptr<ServedModel>& model, size_t n = 200) {
  Config exact;  // as the golden's
  EXPECT_TRUE(exact.set_str(HADAL_OPT_CACHE_TYPE, "f32").ok());
  const auto s = session(model, exact);
  EXPECT_TRUE(s->append(prompt_of(n)).ok());
  EXPECT_TRUE(prefill(s).status.ok());
  return *s->logits();
}

std::string temporary(const char* name) { return testing::TempDir() + name; }

// Names that the golden file has, in the order of the layers.
std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (int layer = 0; layer < 3; ++layer) {
    const std::string l = "blk." + std::to_string(layer) + ".";
    for (const char* name : {"attn_q_a", "attn_q_b", "attn_kv_a_mqa", "attn_kv_b", "attn_k_b",
                             "attn_v_b", "attn_output"}) {
      names.push_back(l + name + ".weight");
    }
    if (layer == 0) {
      for (const char* name : {"ffn_gate", "ffn_up", "ffn_down"})
        names.push_back(l + name + ".weight");
      continue;
    }
    for (const char* name : {"ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps",
                             "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"}) {
      names.push_back(l + name + ".weight");
    }
  }
  return names;
}

void compare(const Imatrix& measured, const Imatrix& golden, double tolerance) {
  EXPECT_EQ(measured.size(), golden.size());
  EXPECT_EQ(measured.most_rows(), golden.most_rows());
  EXPECT_EQ(measured.n_empty_slices(), golden.n_empty_slices());
  const std::vector<std::string> names = golden_names();
  EXPECT_EQ(names.size(), golden.size());
  for (const std::string& name : names) {
    const std::span<const float> x = measured.find(name), wanted = golden.find(name);
    ASSERT_EQ(x.size(), wanted.size()) << name;
    ASSERT_FALSE(wanted.empty()) << name;
    double largest = 0.0;
    for (const float w : wanted) largest = std::max(largest, static_cast<double>(w));
    for (size_t i = 0; i < x.size(); ++i) {
      const auto w = static_cast<double>(wanted[i]);
      EXPECT_NEAR(static_cast<double>(x[i]), w, tolerance * (w + 1e-3 * largest))
          << name << " column " << i;
    }
  }
}

TEST(Imatrix, IsWhatFloat64Says) {
  const auto golden = Imatrix::read(*system_files(), kGolden);
  ASSERT_TRUE(golden.ok()) << message_of(golden.status());
  for (const char* backend : {"reference", "cpu"}) {
    for (const int64_t chunk_rows : {200, 48, 7}) {
      SCOPED_TRACE(testing::Message() << backend << ", chunks of " << chunk_rows);
      const auto model = measuring(runtime(0), backend, kToy, chunk_rows);
      read_prompt(model);
      const auto measured = measured_importance(*model->model, false);
      ASSERT_TRUE(measured.ok()) << message_of(measured.status());
      compare(*measured, *golden, 2e-4);
    }
  }
}

// The same model with kv_b in one piece, and as a directory with an expert a tensor.
TEST(Imatrix, IsTheSameHoweverTheFileHoldsTheWeights) {
  const auto golden = Imatrix::read(*system_files(), kGolden);
  ASSERT_TRUE(golden.ok());
  for (const char* path : {"/golden/toys/v3/v3-joint-f32.gguf", "/golden/toys/v3"}) {
    SCOPED_TRACE(path);
    const auto model = measuring(runtime(2), "cpu", std::string(HADAL_TEST_DATA) + path);
    read_prompt(model);
    const auto measured = measured_importance(*model->model, false);
    ASSERT_TRUE(measured.ok()) << message_of(measured.status());
    compare(*measured, *golden, 2e-4);
  }
}

TEST(Imatrix, MeasuringChangesNoBit) {
  const auto r = runtime(0, 2);
  const std::vector<float> plain = read_prompt(load(r, kToy, with(HADAL_OPT_CHUNK_ROWS, 48)));
  const std::vector<float> measured = read_prompt(measuring(r, "cpu"));
  ASSERT_EQ(plain.size(), measured.size());
  EXPECT_EQ(std::memcmp(plain.data(), measured.data(), plain.size() * sizeof(float)), 0);
}

TEST(Imatrix, TheHeadSeesWhatLogitsWereAskedFor) {
  const auto model = measuring(runtime(0), "cpu");
  read_prompt(model);
  EXPECT_EQ(measured_importance(*model->model, true)->find("output.weight").size(), 64u);
  EXPECT_TRUE(measured_importance(*model->model, false)->find("output.weight").empty());
  const auto s = session(model);
  ASSERT_TRUE(s->append(prompt_of(9)).ok());
  auto request = PrefillRequest::create(s, with(HADAL_OPT_KEEP_LOGITS, 1));
  ASSERT_TRUE(request.ok() && run(**request).status.ok());
  (*request)->close();
  const InputSums head = model->model->imatrix()->input_of(model->model->weights().lm_head);
  ASSERT_EQ(head.counts.size(), 1u);
  EXPECT_EQ(head.counts[0], 10u);  // one of the prompt, nine here
}

TEST(Imatrix, IsSavedAddedToAndReadBack) {
  const auto model = measuring(runtime(0), "cpu");
  const std::string path = temporary("saved.imatrix"), dat = temporary("saved.dat");
  std::remove(path.c_str());
  const absl::Status early = save_imatrix(*model, path, {});
  EXPECT_EQ(code_of(early), HADAL_E_INVALID_ARGUMENT);
  read_prompt(model);
  const SaveImatrixOptions named{.dataset = "prompt", .chunk_size = 100, .add = true};
  ASSERT_TRUE(save_imatrix(*model, path, named).ok());  // nothing is there to add to
  const auto saved = Imatrix::read(*system_files(), path);
  ASSERT_TRUE(saved.ok()) << message_of(saved.status());
  compare(*saved, *Imatrix::read(*system_files(), kGolden), 2e-4);
  EXPECT_EQ(saved->datasets, std::vector<std::string>{"prompt"});
  EXPECT_EQ(saved->chunk_size, 100u);

  ASSERT_TRUE(save_imatrix(*model, path, named).ok());
  EXPECT_EQ(Imatrix::read(*system_files(), path)->most_rows(), 400u);
  ASSERT_TRUE(save_imatrix(*model, path, {}).ok());
  EXPECT_EQ(Imatrix::read(*system_files(), path)->most_rows(), 200u) << "not added";
  ASSERT_TRUE(save_imatrix(*model, dat, {.as_dat = true}).ok());
  EXPECT_EQ(Imatrix::read(*system_files(), dat)->size(), saved->size());

  SaveImatrixOptions onto_a_model{.add = true};
  EXPECT_EQ(code_of(save_imatrix(*model, kToy, onto_a_model)), HADAL_E_UNSUPPORTED);
}

TEST(Imatrix, WithoutTheOptionThereIsNone) {
  const auto model = load(runtime(0), kToy);
  read_prompt(model, 9);
  const absl::Status status = save_imatrix(*model, temporary("none.imatrix"), {});
  EXPECT_EQ(code_of(status), HADAL_E_INVALID_ARGUMENT);
  EXPECT_NE(hint_of(status).find("imatrix"), std::string::npos);
}

TEST(Imatrix, SumsCountTowardsTheBudget) {
  const auto outcome_within = [](int64_t budget, uint64_t& peak) {
    Config config = with(HADAL_OPT_THREADS, 0);
    EXPECT_TRUE(config.set_i64(HADAL_OPT_HOST_BYTES, budget).ok());
    const auto limited = *Runtime::create(config);
    const auto s = session(measuring(limited, "cpu"));
    EXPECT_TRUE(s->append(prompt_of(9)).ok());
    const absl::Status status = prefill(s).status;
    EXPECT_EQ(s->n_computed(), status.ok() ? 9 : 0);
    peak = limited->resources().memory->peak_bytes();
    return code_of(status);
  };
  uint64_t needed = 0, peak = 0;
  ASSERT_EQ(outcome_within(0, needed), HADAL_OK);
  EXPECT_EQ(outcome_within(static_cast<int64_t>(needed), peak), HADAL_OK);
  // The sums come last, and the experts' take most.
  EXPECT_EQ(outcome_within(static_cast<int64_t>(needed) - 10'000, peak), HADAL_E_BUDGET);
}

}  // namespace
}  // namespace hadal::test
