#include "tests/session/workbench.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "lib/base/json.hpp"

namespace hadal::test {

Message say(Role role, std::string content) {
  Message message;
  message.role = role;
  message.content = std::move(content);
  return message;
}

Config with(int32_t key, int64_t value) {
  Config config;
  EXPECT_TRUE(config.set_i64(key, value).ok());
  return config;
}

std::shared_ptr<Runtime> runtime(int64_t threads, int64_t determinism) {
  Config config = with(HADAL_OPT_THREADS, threads);
  EXPECT_TRUE(config.set_i64(HADAL_OPT_DETERMINISM, determinism).ok());
  auto made = Runtime::create(config);
  EXPECT_TRUE(made.ok()) << message_of(made.status());
  return *std::move(made);
}

std::shared_ptr<ServedModel> load(const std::shared_ptr<Runtime>& runtime, const std::string& path,
                                  const Config& config) {
  auto request = LoadRequest::create(runtime, path, config);
  EXPECT_TRUE(request.ok()) << message_of(request.status());
  const Outcome outcome = run(**request);
  EXPECT_TRUE(outcome.status.ok()) << message_of(outcome.status);
  auto model = (*request)->model();
  (*request)->close();
  return *std::move(model);
}

std::shared_ptr<Session> session(const std::shared_ptr<ServedModel>& model, const Config& config) {
  auto made = Session::create(model, config);
  EXPECT_TRUE(made.ok()) << message_of(made.status());
  return *std::move(made);
}

Sampler greedy() {
  SamplerOptions options;
  options.temperature = 0.0;
  return Sampler(options);
}

std::vector<int32_t> Outcome::tokens() const {
  std::vector<int32_t> ids;
  for (const Event& event : events) {
    if (event.kind == HADAL_EVENT_TOKEN) ids.push_back(event.token);
  }
  return ids;
}

std::string Outcome::text(Channel channel) const {
  std::string all;
  for (const Event& event : events) {
    if (event.kind == HADAL_EVENT_TEXT && event.channel == static_cast<int32_t>(channel)) {
      all += event.text;
    }
  }
  return all;
}

int32_t Outcome::finish() const {
  for (const Event& event : events) {
    if (event.kind == HADAL_EVENT_FINISH) return event.finish;
  }
  return 0;
}

Outcome run(Request& request) {
  Outcome outcome;
  while (true) {
    const absl::StatusOr<hadal_status> status = request.wait(UINT64_MAX);
    if (!status.ok()) {
      outcome.status = status.status();
      return outcome;
    }
    if (*status == HADAL_DONE) return outcome;
    Event event;
    const absl::StatusOr<hadal_status> polled = request.poll(event);
    if (polled.ok() && *polled == HADAL_EVENT) outcome.events.push_back(std::move(event));
  }
}

Outcome prefill(const std::shared_ptr<Session>& session) {
  auto request = PrefillRequest::create(session, Config());
  if (!request.ok()) return {request.status(), {}};
  Outcome outcome = run(**request);
  (*request)->close();
  return outcome;
}

Outcome generate(const std::shared_ptr<Session>& session, int64_t max_tokens,
                 const Sampler& sampler) {
  auto request = GenerateRequest::create(session, sampler, with(HADAL_OPT_MAX_TOKENS, max_tokens));
  if (!request.ok()) return {request.status(), {}};
  Outcome outcome = run(**request);
  (*request)->close();
  return outcome;
}

std::vector<int32_t> prompt_of(size_t n_tokens) {
  std::ifstream file(HADAL_TEST_DATA "/golden/toys/v3/golden.json");
  std::stringstream text;
  text << file.rdbuf();
  const auto golden = parse_json(text.str(), "golden.json");
  EXPECT_TRUE(golden.ok());
  for (const Json& prompt : (*golden)["prompts"]) {
    if (prompt["tokens"].size() == n_tokens) return prompt["tokens"].get<std::vector<int32_t>>();
  }
  ADD_FAILURE() << "no prompt of " << n_tokens << " tokens";
  return {};
}

}  // namespace hadal::test
