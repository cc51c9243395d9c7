// Runtimes, models and sessions for the tests of requests, and ways to move a request to its end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/session/generate_request.hpp"
#include "lib/session/load_request.hpp"
#include "lib/session/prefill_request.hpp"

namespace hadal::test {

inline constexpr const char* kToy = HADAL_TEST_DATA "/golden/toys/v3/v3-f32.gguf";
inline constexpr const char* kStory = HADAL_SOURCE_DIR "/examples/models/story-q8_0.gguf";

// Under threads 0 nothing moves but inside step and wait.
std::shared_ptr<Runtime> runtime(int64_t threads, int64_t determinism = 1);
std::shared_ptr<ServedModel> load(const std::shared_ptr<Runtime>& runtime, const std::string& path,
                                  const Config& config = {});
std::shared_ptr<Session> session(const std::shared_ptr<ServedModel>& model,
                                 const Config& config = {});
Sampler greedy();

struct Outcome {
  absl::Status status;
  std::vector<Event> events;
  std::vector<int32_t> tokens() const;
  std::string text(Channel channel = Channel::kAnswer) const;
  int32_t finish() const;  // 0 if it never came
};
// By wait and poll.
Outcome run(Request& request);
Outcome prefill(const std::shared_ptr<Session>& session);
Outcome generate(const std::shared_ptr<Session>& session, int64_t max_tokens,
                 const Sampler& sampler = greedy());

Message say(Role role, std::string content);
Config with(int32_t key, int64_t value);
std::vector<int32_t> prompt_of(size_t n_tokens);  // of the toys' golden, 9 or 200 tokens

}  // namespace hadal::test
