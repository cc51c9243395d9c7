// The trained model that ships: its conversations in the same words, and the likelihood of texts it
// has not seen, against the float64 forward pass on the same Q8_0 weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "lib/base/json.hpp"
#include "tests/session/workbench.hpp"

namespace hadal::test {
namespace {

Json read_story(const std::string& name) {
  std::ifstream file(HADAL_TEST_DATA "/golden/story/" + name);
  std::stringstream text;
  text << file.rdbuf();
  const auto json = parse_json(text.str(), name);
  EXPECT_TRUE(json.ok()) << name;
  return json.ok() ? *json : Json();
}

class StoryTest : public testing::Test {
 protected:
  static std::shared_ptr<ServedModel> story(const char* backend, const char* activations,
                                            int64_t determinism = 1) {
    Config config;
    EXPECT_TRUE(config.set_str(HADAL_OPT_BACKEND, backend).ok());
    EXPECT_TRUE(config.set_str(HADAL_OPT_CPU_ACTIVATIONS, activations).ok());
    return load(runtime(2, determinism), kStory, config);
  }

  static int compare_conversations(const char* activations, double sure_lead,
                                   int64_t determinism = 1);
  static void compare_likelihoods(const char* activations, DType cache_type, double tolerance);
};

// Those in which the best token always leads the second by `sure_lead`; returns how many.
int StoryTest::compare_conversations(const char* activations, double sure_lead,
                                     int64_t determinism) {
  const auto model = story("cpu", activations, determinism);
  int n_compared = 0;
  const Json chats = read_story("chats-q8_0.json");
  for (const Json& chat : chats) {
    const auto s = session(model);
    for (const Json& message : chat["messages"]) {
      const auto role = role_from_name(message["role"].get<std::string>());
      EXPECT_TRUE(s->add_message(say(*role, message["content"].get<std::string>())).ok());
    }
    EXPECT_TRUE(s->apply_chat(HADAL_CHAT_PROMPT).ok());
    EXPECT_EQ(s->tokens(), chat["prompt_ids"].get<std::vector<int32_t>>());
    if (chat["smallest_lead"].get<double>() < sure_lead) continue;
    const auto wanted = chat["greedy_ids"].get<std::vector<int32_t>>();
    const Outcome outcome = generate(s, static_cast<int64_t>(wanted.size()));
    EXPECT_EQ(outcome.tokens(), wanted);
    EXPECT_EQ(outcome.text(), chat["text"].get<std::string>());
    EXPECT_EQ(outcome.finish(), wanted.back() == 1 ? HADAL_FINISH_STOP : HADAL_FINISH_LENGTH);
    ++n_compared;
  }
  return n_compared;
}

TEST_F(StoryTest, ConversationsComeOutInTheSameWords) {
  EXPECT_GE(compare_conversations("f32", 1e-3), 8);
}

TEST_F(StoryTest, WithRoundedActivationsSureWordsStayTheSame) {
  EXPECT_GE(compare_conversations("int8", 0.1, 2), 10);
  // Rounding comes out otherwise where attention is expanded, and turns one lead of 0.2.
  EXPECT_GE(compare_conversations("int8", 0.5, 1), 7);
}

TEST_F(StoryTest, LogitsAgreeWithTheForwardPassInDouble) {
  const Json golden = read_story("golden-q8_0.json");
  for (const char* backend : {"reference", "cpu"}) {
    const auto model = story(backend, "f32");
    double worst = 0.0;
    for (const Json& prompt : golden["prompts"]) {
      // The third is routed with gaps of two millionths, which f32 sums may decide otherwise.
      if (prompt["tokens"].size() > 100) continue;
      const auto tokens = prompt["tokens"].get<std::vector<int32_t>>();
      const auto s = session(model);
      size_t done = 0;
      for (const Json& wanted : prompt["logits"]) {
        const size_t position = wanted["position"].get<size_t>();
        ASSERT_TRUE(s->append(std::span(tokens).subspan(done, position + 1 - done)).ok());
        done = position + 1;
        ASSERT_TRUE(prefill(s).status.ok());
        const std::vector<float> logits = *s->logits();
        const auto values = wanted["values"].get<std::vector<double>>();
        for (size_t i = 0; i < values.size(); ++i) {
          worst = std::max(worst, std::abs(values[i] - static_cast<double>(logits[i])));
        }
      }
    }
    EXPECT_LE(worst, 2e-4) << backend;
  }
}

// The rule of heldout.json: windows of 511 tokens, each preceded by the begin token, every token
// scored.
void StoryTest::compare_likelihoods(const char* activations, DType cache_type, double tolerance) {
  const auto model = story("cpu", activations);
  const Model& m = *model->model;
  const Json texts = read_story("heldout.json");
  const Json wanted = read_story("heldout-q8_0.json");
  for (const auto& [name, entry] : texts.items()) {
    const std::vector<int32_t> ids = m.tokenizer()->encode(entry["text"].get<std::string>(), false);
    EXPECT_EQ(ids.size(), entry["tokens"].get<size_t>());
    constexpr size_t kWindow = 511;
    double sum = 0.0;
    auto buffers = Buffers::create(m.backend(), m.config(), kWindow + 1, kWindow + 1);
    ASSERT_TRUE(buffers.ok());
    for (size_t first = 0; first < ids.size() - 1; first += kWindow) {
      std::vector<int32_t> window = {0};
      const size_t n = std::min(kWindow, ids.size() - first);
      window.insert(window.end(), ids.begin() + static_cast<ptrdiff_t>(first),
                    ids.begin() + static_cast<ptrdiff_t>(first + n));
      SessionCache cache(m.latent_cache(cache_type));
      ASSERT_TRUE(cache.reserve(0, static_cast<int64_t>(window.size())).ok());
      Batch batch;
      batch.add(window, 0, cache);
      const auto rows = static_cast<int32_t>(window.size());
      for (int32_t row = 0; row < rows; ++row) batch.want_row(row);
      const auto views = buffers->views(rows, rows, 1, batch.max_pages());
      ASSERT_TRUE(views.ok());
      ForwardPass pass(m.backend(), m.config(), m.weights(), m.rope(), cache.latent_cache(),
                       std::move(batch), *views);
      pass.begin();
      for (int32_t layer = 0; layer < m.config().num_hidden_layers; ++layer) pass.run_layer(layer);
      pass.finish();
      ASSERT_TRUE(m.backend().wait().ok());
      for (int32_t row = 0; row + 1 < rows; ++row) {
        const std::span<const float> logits(views->logits.row(row),
                                            static_cast<size_t>(m.config().vocab_size));
        sum -= static_cast<double>(
            log_probabilities(logits, window[static_cast<size_t>(row) + 1], 0).chosen);
      }
    }
    EXPECT_NEAR(sum / static_cast<double>(ids.size()), wanted[name]["mean_nll"].get<double>(),
                tolerance)
        << name;
  }
}

TEST_F(StoryTest, UnseenTextsHaveTheSameLikelihood) {
  compare_likelihoods("f32", DType::kF32, 1e-4);
}

// A perplexity within a thousandth.
TEST_F(StoryTest, WithRoundedActivationsUnseenTextsAreAsLikely) {
  compare_likelihoods("int8", DType::kF32, 1e-3);
}

TEST_F(StoryTest, WithARoundedCacheUnseenTextsAreAsLikely) {
  for (const DType type : {DType::kBF16, DType::kF16, DType::kQ8_0}) {
    SCOPED_TRACE(name(type));
    compare_likelihoods("int8", type, 2e-3);
  }
}

}  // namespace
}  // namespace hadal::test
