// The trained model out of directories in Hugging Face's layout, written from the file that ships:
// the same bits as from that file, and in fp8 the same as with the numbers that fp8 stands for.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "lib/base/json.hpp"
#include "tests/session/hf_story.hpp"
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

std::shared_ptr<ServedModel> story(const std::string& path, const char* backend,
                                   int64_t use_mmap = 1) {
  Config config;
  EXPECT_TRUE(config.set_str(HADAL_OPT_BACKEND, backend).ok());
  EXPECT_TRUE(config.set_str(HADAL_OPT_CPU_ACTIVATIONS, "f32").ok());
  EXPECT_TRUE(config.set_i64(HADAL_OPT_MMAP, use_mmap).ok());
  return load(runtime(2, 2), path, config);
}

// After the short prompts of the golden file.
std::vector<std::vector<float>> logits_of(const std::shared_ptr<ServedModel>& model) {
  std::vector<std::vector<float>> all;
  if (model == nullptr) return all;
  const Json golden = read_story("golden-q8_0.json");
  for (const Json& prompt : golden["prompts"]) {
    if (prompt["tokens"].size() > 100) continue;
    const auto s = session(model);
    EXPECT_TRUE(s->append(prompt["tokens"].get<std::vector<int32_t>>()).ok());
    EXPECT_TRUE(prefill(s).status.ok());
    const auto logits = s->logits();
    EXPECT_TRUE(logits.ok());
    if (logits.ok()) all.emplace_back(logits->begin(), logits->end());
  }
  return all;
}

TEST(HfStoryTest, TheSameWeightsGiveTheSameBits) {
  const StoryDirectory directory(StoryWeights::kF32);
  const auto wanted = logits_of(story(kStory, "reference"));
  ASSERT_EQ(wanted.size(), 2u);
  EXPECT_EQ(logits_of(story(directory.path(), "reference")), wanted);
  EXPECT_EQ(logits_of(story(directory.path(), "reference", 0)), wanted);
}

TEST(HfStoryTest, ConversationsComeOutInTheSameWords) {
  const StoryDirectory directory(StoryWeights::kF32);
  const auto model = story(directory.path(), "cpu");
  ASSERT_NE(model, nullptr);
  int n_compared = 0;
  const Json chats = read_story("chats-q8_0.json");
  for (const Json& chat : chats) {
    const auto s = session(model);
    for (const Json& message : chat["messages"]) {
      const auto role = role_from_name(message["role"].get<std::string>());
      ASSERT_TRUE(s->add_message(say(*role, message["content"].get<std::string>())).ok());
    }
    ASSERT_TRUE(s->apply_chat(HADAL_CHAT_PROMPT).ok()) << "the format is known by its template";
    EXPECT_EQ(s->tokens(), chat["prompt_ids"].get<std::vector<int32_t>>());
    const auto wanted = chat["greedy_ids"].get<std::vector<int32_t>>();
    if (chat["smallest_lead"].get<double>() < 1e-3 || wanted.size() > 60) continue;
    const Outcome outcome = generate(s, static_cast<int64_t>(wanted.size()));
    EXPECT_EQ(outcome.tokens(), wanted);
    EXPECT_EQ(outcome.text(), chat["text"].get<std::string>());
    ++n_compared;
  }
  EXPECT_GE(n_compared, 4);
}

TEST(HfStoryTest, Fp8IsWhatItStandsFor) {
  const StoryDirectory fp8(StoryWeights::kFp8), plain(StoryWeights::kFp8InF32);
  for (const char* backend : {"reference", "cpu"}) {
    const auto wanted = logits_of(story(plain.path(), backend));
    ASSERT_EQ(wanted.size(), 2u);
    EXPECT_EQ(logits_of(story(fp8.path(), backend)), wanted) << backend;
  }
  // Near the weights it was made from, and not the same.
  const auto exact = logits_of(story(kStory, "cpu")), rounded = logits_of(story(fp8.path(), "cpu"));
  double sum = 0.0;
  for (size_t i = 0; i < exact[1].size(); ++i)
    sum += std::pow(static_cast<double>(exact[1][i] - rounded[1][i]), 2);
  const double off = std::sqrt(sum / static_cast<double>(exact[1].size()));
  EXPECT_GT(off, 1e-4);
  EXPECT_LT(off, 1.0);
}

}  // namespace
}  // namespace hadal::test
