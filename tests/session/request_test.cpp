// Mirrors lib/session/request, scheduler and runtime: who moves a request, what it answers, events
// and their order, batches, callbacks, back-pressure, budgets.
#include "lib/session/request.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>

#include "tests/session/workbench.hpp"

namespace hadal::test {
namespace {

class RequestTest : public testing::TestWithParam<int64_t> {
 protected:
  // At level 2: which rows meet in a pass is a matter of time.
  std::shared_ptr<Runtime> runtime_ = runtime(GetParam(), 2);
  std::shared_ptr<ServedModel> model_ = load(runtime_, kToy);
  const std::vector<int32_t> prompt_ = prompt_of(200);

  std::shared_ptr<Session> session_with(size_t n_tokens) {
    const auto s = session(model_);
    EXPECT_TRUE(s->append(std::span(prompt_).first(n_tokens)).ok());
    return s;
  }
};

INSTANTIATE_TEST_SUITE_P(Threads, RequestTest, testing::Values(0, 1, 3),
                         [](const auto& param) { return "threads" + std::to_string(param.param); });

TEST_P(RequestTest, EventsComeInOrderAndProgressIsMonotone) {
  const auto s = session_with(200);
  const Outcome outcome = generate(s, 5);
  ASSERT_TRUE(outcome.status.ok());
  double progress = -1.0;
  for (size_t i = 0; i < outcome.events.size(); ++i) {
    const Event& event = outcome.events[i];
    EXPECT_EQ(event.sequence, i);
    if (event.kind != HADAL_EVENT_PROGRESS) continue;
    EXPECT_GT(event.progress, progress);
    progress = event.progress;
  }
  EXPECT_EQ(outcome.events.front().kind, HADAL_EVENT_PROGRESS);
  EXPECT_EQ(outcome.events.front().progress, 0.0);
  EXPECT_EQ(progress, 1.0);
  EXPECT_EQ(outcome.events.back().kind, HADAL_EVENT_FINISH);
  EXPECT_EQ(outcome.events.back().finish, HADAL_FINISH_LENGTH);
  EXPECT_EQ(outcome.tokens().size(), 5u);
}

// By poll alone, which then often looks just before an event comes.
TEST_P(RequestTest, NoEventIsToldTwiceOrLost) {
  for (int round = 0; round < 20; ++round) {
    const auto s = session_with(1);
    const auto request = *GenerateRequest::create(s, greedy(), with(HADAL_OPT_MAX_TOKENS, 30));
    uint64_t n_events = 0;
    absl::StatusOr<hadal_status> status = HADAL_PENDING;
    for (Event event; status.ok() && *status != HADAL_DONE;) {
      status = request->poll(event);
      if (status.ok() && *status == HADAL_EVENT) {
        EXPECT_EQ(event.sequence, n_events++);
      } else if (status.ok() && *status == HADAL_PENDING && GetParam() == 0) {
        EXPECT_TRUE(request->step(1).ok());
      }
    }
    EXPECT_TRUE(status.ok());
    EXPECT_GT(n_events, 3u);
    request->close();
  }
}

TEST_P(RequestTest, AFinishedRequestAnswersDoneForEver) {
  const auto s = session_with(5);
  auto request = *PrefillRequest::create(s, Config());
  ASSERT_TRUE(run(*request).status.ok());
  Event event;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(*request->step(0), HADAL_DONE);
    EXPECT_EQ(*request->poll(event), HADAL_DONE);
    EXPECT_EQ(*request->wait(0), HADAL_DONE);
  }
  request->close();
}

// Traps D1, D2, P9: a session gives the same bits alone and among others of other lengths.
TEST_P(RequestTest, ABatchGivesEachWhatItWouldGetAlone) {
  const std::vector<size_t> lengths = {1, 9, 33, 64, 65, 120, 200};
  std::vector<std::vector<int32_t>> alone;
  for (const size_t n : lengths) alone.push_back(generate(session_with(n), 12).tokens());

  std::vector<std::shared_ptr<Session>> sessions;
  std::vector<std::shared_ptr<GenerateRequest>> requests;
  for (const size_t n : lengths) {
    sessions.push_back(session_with(n));
    requests.push_back(
        *GenerateRequest::create(sessions.back(), greedy(), with(HADAL_OPT_MAX_TOKENS, 12)));
    Event event;
    ASSERT_TRUE(requests.back()->poll(event).ok());  // starts it
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const Outcome outcome = run(*requests[i]);
    EXPECT_TRUE(outcome.status.ok());
    std::vector<int32_t> generated = sessions[i]->tokens();
    generated.erase(generated.begin(), generated.begin() + static_cast<ptrdiff_t>(lengths[i]));
    EXPECT_EQ(generated, alone[i]) << lengths[i];
    requests[i]->close();
  }
}

TEST_P(RequestTest, CallbackGetsEveryEventAndPollOnlyTheEnd) {
  struct Seen {
    std::vector<int32_t> kinds;
    std::string text;
    int destroyed = 0;
  } seen;
  {
    const auto s = session_with(9);
    auto request = *GenerateRequest::create(s, greedy(), with(HADAL_OPT_MAX_TOKENS, 4));
    ASSERT_TRUE(
        request
            ->set_callback({[](void* data, const hadal_event* event) -> int32_t {
                              auto* out = static_cast<Seen*>(data);
                              out->kinds.push_back(event->kind);
                              out->text.append(event->text, event->text_size);
                              return HADAL_CONTINUE;
                            },
                            &seen, [](void* data) { ++static_cast<Seen*>(data)->destroyed; }})
            .ok());
    const Outcome outcome = run(*request);
    EXPECT_TRUE(outcome.status.ok());
    EXPECT_TRUE(outcome.events.empty());
    EXPECT_FALSE(request->set_callback({}).ok()) << "only while idle";
    request->close();
    EXPECT_EQ(seen.destroyed, 0);
  }
  EXPECT_EQ(seen.destroyed, 1);
  EXPECT_EQ(std::count(seen.kinds.begin(), seen.kinds.end(), HADAL_EVENT_TOKEN), 4);
  EXPECT_EQ(seen.kinds.back(), HADAL_EVENT_FINISH);
}

TEST_P(RequestTest, ACallbackThatSaysStopCancels) {
  const auto s = session_with(9);
  auto request = *GenerateRequest::create(s, greedy(), Config());
  int n_tokens = 0;
  ASSERT_TRUE(request
                  ->set_callback({[](void* data, const hadal_event* event) -> int32_t {
                                    if (event->kind != HADAL_EVENT_TOKEN) return HADAL_CONTINUE;
                                    return ++*static_cast<int*>(data) == 3 ? HADAL_STOP
                                                                           : HADAL_CONTINUE;
                                  },
                                  &n_tokens, nullptr})
                  .ok());
  EXPECT_EQ(code_of(run(*request).status), HADAL_E_CANCELLED);
  EXPECT_EQ(n_tokens, 3);
  EXPECT_EQ(s->length(), 12u);
  request->close();
}

// Nobody reads: generation pauses, loses nothing, and goes on when somebody does.
TEST_P(RequestTest, UnreadEventsHoldTheWorkBack) {
  const auto s = session(model_, with(HADAL_OPT_CONTEXT, 1000));
  ASSERT_TRUE(s->append(prompt_of(9)).ok());
  SamplerOptions no_end;  // greedy, and never the end of the turn
  no_end.temperature = 0.0;
  for (int32_t id = 0; id < 320; ++id) {
    if (model_->model->tokenizer()->kind(id) == TokenKind::kControl) {
      no_end.logit_bias.push_back({id, -INFINITY});
    }
  }
  auto request = *GenerateRequest::create(s, Sampler(no_end), Config());
  ASSERT_TRUE(request->step(0).ok());
  while (request->can_work()) {
    if (GetParam() == 0) {
      request->advance();
    } else {
      std::this_thread::yield();
    }
  }
  EXPECT_LT(s->length(), 999u);
  const Outcome outcome = run(*request);
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.tokens().size(), 1000u - 9u);
  EXPECT_EQ(outcome.finish(), HADAL_FINISH_CONTEXT);
  request->close();
}

TEST_P(RequestTest, AFullSessionFinishesAtOnce) {
  const auto s = session(model_, with(HADAL_OPT_CONTEXT, 9));
  ASSERT_TRUE(s->append(prompt_of(9)).ok());
  const Outcome outcome = generate(s, 5);
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.finish(), HADAL_FINISH_CONTEXT);
  EXPECT_TRUE(outcome.tokens().empty());
}

TEST_P(RequestTest, WaitReturnsAtItsTimeout) {
  const auto s = session_with(200);
  auto request = *GenerateRequest::create(s, greedy(), Config());
  const uint64_t before = now_ns();
  ASSERT_TRUE(request->wait(1).ok());
  EXPECT_LT(now_ns() - before, 2'000'000'000u);
  request->close();
}

// Trap G14: rows 312 to 319 of the toy have weights and no text.
TEST_P(RequestTest, RowsWithoutATextAreNeverGenerated) {
  SamplerOptions options;
  options.temperature = 0.0;
  for (int32_t id = 312; id < 320; ++id) options.logit_bias.push_back({id, 1000.0});
  const auto s = session_with(9);
  for (const int32_t token : generate(s, 3, Sampler(options)).tokens()) EXPECT_LT(token, 312);
  EXPECT_EQ(s->length(), 12u);
}

TEST_P(RequestTest, SampledContinuationEqualsAnUnbrokenOne) {
  SamplerOptions options;
  options.seed = 7;
  const Sampler sampler(options);
  const auto whole = session_with(9), parts = session_with(9);
  ASSERT_TRUE(generate(whole, 10, sampler).status.ok());
  for (const int64_t n : {1, 4, 5}) ASSERT_TRUE(generate(parts, n, sampler).status.ok());
  EXPECT_EQ(whole->tokens(), parts->tokens());
}

// A host may round as it likes, and flush small numbers to zero.
TEST_P(RequestTest, TheHostsRoundingModeChangesNoBitAndStays) {
  const auto plain = session_with(70), upward = session_with(70);
  ASSERT_TRUE(generate(plain, 4).status.ok());
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  const auto fresh_threads = runtime(GetParam(), 2);  // made under that mode, too
  const auto model = load(fresh_threads, kToy);
  const auto elsewhere = session(model);
  ASSERT_TRUE(elsewhere->append(std::span(prompt_).first(70)).ok());
  const bool ok = generate(upward, 4).status.ok() && generate(elsewhere, 4).status.ok() &&
                  prefill(upward).status.ok() && prefill(elsewhere).status.ok();
  const int mode = std::fegetround();
  std::fesetround(FE_TONEAREST);
  ASSERT_TRUE(ok);
  EXPECT_EQ(mode, FE_UPWARD);
  ASSERT_TRUE(prefill(plain).status.ok());
  EXPECT_EQ(*upward->logits(), *plain->logits());
  EXPECT_EQ(*elsewhere->logits(), *plain->logits());
}

TEST_P(RequestTest, StatsAddUp) {
  const auto s = session_with(20);
  ASSERT_TRUE(prefill(s).status.ok());
  ASSERT_TRUE(s->append(std::span(prompt_).subspan(20, 30)).ok());
  auto request = *GenerateRequest::create(s, greedy(), with(HADAL_OPT_MAX_TOKENS, 4));
  ASSERT_TRUE(run(*request).status.ok());
  const RequestStats stats = request->stats();
  EXPECT_EQ(stats.reused_tokens, 20u);
  EXPECT_EQ(stats.prompt_tokens, 30u);
  EXPECT_EQ(stats.generated_tokens, 4u);
  EXPECT_GT(stats.prefill_ns, 0u);
  EXPECT_GE(stats.first_token_ns, stats.prefill_ns);
  request->close();
  EXPECT_EQ(runtime_->prompt_tokens.load(), 50u);
}

TEST_P(RequestTest, LogprobsOfTheChosenAndTheBest) {
  const auto s = session_with(9);
  Config config = with(HADAL_OPT_MAX_TOKENS, 3);
  ASSERT_TRUE(config.set_i64(HADAL_OPT_LOGPROBS, 5).ok());
  auto request = *GenerateRequest::create(s, greedy(), config);
  const Outcome outcome = run(*request);
  uint64_t position = 9;
  for (const Event& event : outcome.events) {
    if (event.kind != HADAL_EVENT_TOKEN) continue;
    const auto best = request->best_at(position++);
    ASSERT_TRUE(best.ok());
    ASSERT_EQ(best->size(), 5u);
    EXPECT_EQ((*best)[0].first, event.token);
    EXPECT_EQ((*best)[0].second, event.logprob);
    EXPECT_LT(event.logprob, 0.0f);
    EXPECT_TRUE(std::is_sorted(best->begin(), best->end(),
                               [](auto a, auto b) { return a.second > b.second; }));
  }
  EXPECT_EQ(code_of(request->best_at(8).status()), HADAL_E_NOT_FOUND);
  EXPECT_EQ(code_of(request->best_at(12).status()), HADAL_E_NOT_FOUND);
  request->close();
}

TEST(StepTest, BudgetZeroIsOneUnitAndABiggerOneIsMore) {
  const auto caller_only = runtime(0);
  const auto model = load(caller_only, kToy, with(HADAL_OPT_CHUNK_ROWS, 1));
  const auto s = session(model);
  ASSERT_TRUE(s->append(prompt_of(9)).ok());
  auto request = *PrefillRequest::create(s, Config());
  Event event;
  ASSERT_EQ(*request->step(0), HADAL_EVENT);  // progress 0
  ASSERT_EQ(*request->poll(event), HADAL_EVENT);
  for (int unit = 1; unit < 4; ++unit) {  // three layers and the head of the first token
    EXPECT_EQ(s->n_computed(), 0) << unit;
    EXPECT_TRUE(request->step(0).ok());
  }
  EXPECT_EQ(s->n_computed(), 1);
  EXPECT_EQ(*request->step(60'000'000'000), HADAL_EVENT);
  EXPECT_EQ(s->n_computed(), 9);
  request->close();
}

TEST(BudgetTest, ASessionBeyondTheBudgetIsRefusedBeforeAllocating) {
  Config config = with(HADAL_OPT_THREADS, 0);
  ASSERT_TRUE(config.set_i64(HADAL_OPT_HOST_BYTES, 12'000'000).ok());
  const auto small = *Runtime::create(config);
  const auto model = load(small, kToy, with(HADAL_OPT_CHUNK_ROWS, 16));
  std::vector<std::shared_ptr<Session>> sessions;
  absl::Status status;
  while (status.ok() && sessions.size() < 1000) {
    sessions.push_back(session(model));
    ASSERT_TRUE(sessions.back()->append(prompt_of(200)).ok());
    status = prefill(sessions.back()).status;
  }
  EXPECT_EQ(code_of(status), HADAL_E_BUDGET);
  EXPECT_NE(hint_of(status).find("host_bytes"), std::string::npos);
  EXPECT_LE(small->resources().memory->peak_bytes(), 12'000'000u);
  // The session that failed is whole, and goes on when there is room.
  const auto last = sessions.back();
  sessions.clear();
  EXPECT_TRUE(prefill(last).status.ok());
}

}  // namespace
}  // namespace hadal::test
