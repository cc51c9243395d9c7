// Mirrors lib/text/stop_texts.
#include "lib/text/stop_texts.hpp"

#include <gtest/gtest.h>

#include <random>

namespace hadal {
namespace {

struct Result {
  std::string text{};
  bool stopped = false;
  bool operator==(const Result&) const = default;
};

Result run(const std::vector<std::string>& stops, const std::vector<std::string>& chunks) {
  StopTexts stream(stops);
  Result result;
  for (const std::string& chunk : chunks) stream.push(chunk, result.text);
  stream.flush(result.text);
  result.stopped = stream.stopped();
  return result;
}

TEST(StopTextsTest, TextEndsBeforeTheStopText) {
  EXPECT_EQ(run({"END"}, {"abcENDdef"}), (Result{"abc", true}));
  EXPECT_EQ(run({"END"}, {"abcEN"}), (Result{"abcEN", false}));
  EXPECT_EQ(run({}, {"abc"}), (Result{"abc", false}));
  EXPECT_EQ(run({""}, {"abc"}), (Result{"abc", false}));
}

TEST(StopTextsTest, TextThatCouldBecomeAStopTextWaits) {
  StopTexts stream({"\n\nUser:"});
  std::string out;
  stream.push("Hi.\n", out);
  EXPECT_EQ(out, "Hi.");
  stream.push("\nUse", out);
  EXPECT_EQ(out, "Hi.");
  stream.push("d", out);
  EXPECT_EQ(out, "Hi.\n\nUsed");
  stream.push("\n\n\nUser", out);
  EXPECT_EQ(out, "Hi.\n\nUsed\n");
  EXPECT_FALSE(stream.stopped());
  stream.push(":", out);
  EXPECT_TRUE(stream.stopped());
  stream.push("more", out);
  stream.flush(out);
  EXPECT_EQ(out, "Hi.\n\nUsed\n");
}

TEST(StopTextsTest, TheOneThatEndsFirstCountsAndThenTheLongest) {
  EXPECT_EQ(run({"abc", "b"}, {"xabc"}), (Result{"xa", true}));
  EXPECT_EQ(run({"c", "abc", "bc"}, {"xabc"}), (Result{"x", true}));
}

TEST(StopTextsTest, StartThatOverlapsItselfIsNotMissed) {
  EXPECT_EQ(run({"aab"}, {"aaab"}), (Result{"a", true}));
  EXPECT_EQ(run({"abab!"}, {"ababab!"}), (Result{"ab", true}));
}

// What the rule says, without streaming.
Result by_the_rule(const std::vector<std::string>& stops, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

// T4, T6
TEST(StopTextsTest, ResultDoesNotDependOnCuts) {
  std::mt19937 random(5);
  const auto any_text = [&](size_t size) {
    std::string text;
    for (size_t i = 0; i < size; ++i) text.push_back(static_cast<char>('a' + random() % 2));
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    const std::vector<std::string> stops = {any_text(1 + random() % 6), any_text(1 + random() % 9)};
    std::vector<std::string> chunks;
    std::string text;
    for (int n = 0; n < 8; ++n) {
      chunks.push_back(any_text(random() % 4));
      text += chunks.back();
    }
    ASSERT_EQ(run(stops, chunks), by_the_rule(stops, text)) << stops[0] << " " << stops[1];
  }
}

}  // namespace
}  // namespace hadal
