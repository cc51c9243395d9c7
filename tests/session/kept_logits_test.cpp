// Mirrors lib/session/kept_logits and what the scheduler does for it: logits of every token of a
// prefill, a piece of the head at a time.
#include "lib/session/kept_logits.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "tests/session/workbench.hpp"

namespace hadal::test {
namespace {

Config keep() { return with(HADAL_OPT_KEEP_LOGITS, 1); }

std::shared_ptr<PrefillRequest> keeping(const std::shared_ptr<Session>& session) {
  auto request = PrefillRequest::create(session, keep());
  EXPECT_TRUE(request.ok()) << message_of(request.status());
  return *std::move(request);
}

std::vector<float> kept(const PrefillRequest& request, uint64_t position) {
  const auto row = request.logits_at(position);
  EXPECT_TRUE(row.ok()) << message_of(row.status());
  return row.ok() ? std::vector<float>(row->begin(), row->end()) : std::vector<float>();
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Logits after each token, computed one by one.
std::vector<std::vector<float>> step_by_step(const std::shared_ptr<ServedModel>& model,
                                             const std::vector<int32_t>& tokens) {
  std::vector<std::vector<float>> all;
  const auto s = session(model);
  for (const int32_t token : tokens) {
    EXPECT_TRUE(s->append({&token, 1}).ok());
    EXPECT_TRUE(prefill(s).status.ok());
    all.push_back(*s->logits());
  }
  return all;
}

class KeptLogitsTest : public testing::Test {
 protected:
  // Chunks of 48 tokens, whose logits take two pieces of the head; at a level where a token has the
  // same bits in whatever pass it is computed.
  std::shared_ptr<Runtime> runtime_ = runtime(0, 2);
  std::shared_ptr<ServedModel> model_ = load(runtime_, kToy, with(HADAL_OPT_CHUNK_ROWS, 48));
  std::vector<int32_t> prompt_ = prompt_of(200);
};

TEST_F(KeptLogitsTest, HaveTheBitsOfSingleSteps) {
  const auto wanted = step_by_step(model_, prompt_);
  for (const int64_t rows : {1, 7, 32, 33, 48, 0}) {
    const auto model = load(runtime_, kToy, with(HADAL_OPT_CHUNK_ROWS, rows));
    const auto s = session(model);
    ASSERT_TRUE(s->append(prompt_).ok());
    const auto request = keeping(s);
    ASSERT_TRUE(run(*request).status.ok());
    for (size_t i = 0; i < prompt_.size(); ++i) {
      ASSERT_TRUE(same_bits(kept(*request, i), wanted[i])) << "chunks of " << rows << ", row " << i;
    }
    EXPECT_TRUE(same_bits(*s->logits(), wanted.back()));
    request->close();
    EXPECT_TRUE(same_bits(kept(*request, 0), wanted[0])) << "after the end";
  }
}

TEST_F(KeptLogitsTest, HaveTheBitsOfSingleStepsOnTheReferenceToo) {
  Config config;
  ASSERT_TRUE(config.set_str(HADAL_OPT_BACKEND, "reference").ok());
  const auto model = load(runtime_, kToy, config);
  prompt_.resize(40);
  const auto wanted = step_by_step(model, prompt_);
  const auto s = session(model);
  ASSERT_TRUE(s->append(prompt_).ok());
  const auto request = keeping(s);
  ASSERT_TRUE(run(*request).status.ok());
  for (size_t i = 0; i < prompt_.size(); ++i) {
    ASSERT_TRUE(same_bits(kept(*request, i), wanted[i])) << i;
  }
  request->close();
}

TEST_F(KeptLogitsTest, WhatWasComputedBeforeIsNotThere) {
  const auto wanted = step_by_step(model_, prompt_);
  const auto s = session(model_);
  ASSERT_TRUE(s->append(std::span(prompt_).first(50)).ok());
  ASSERT_TRUE(prefill(s).status.ok());
  ASSERT_TRUE(s->append(std::span(prompt_).subspan(50, 100)).ok());
  const auto request = keeping(s);
  EXPECT_EQ(code_of(request->logits_at(50).status()), HADAL_E_NOT_FOUND) << "not yet";
  ASSERT_TRUE(run(*request).status.ok());
  for (const uint64_t p : {uint64_t{0}, uint64_t{49}, uint64_t{150}, UINT64_MAX}) {
    const absl::Status status = request->logits_at(p).status();
    EXPECT_EQ(code_of(status), HADAL_E_NOT_FOUND) << p;
    EXPECT_NE(message_of(status).find("100 tokens from position 50"), std::string::npos);
  }
  for (uint64_t p = 50; p < 150; ++p) EXPECT_TRUE(same_bits(kept(*request, p), wanted[p])) << p;
  request->close();

  // Nothing is queued: the last token's logits are known.
  const auto again = keeping(s);
  ASSERT_TRUE(run(*again).status.ok());
  EXPECT_TRUE(same_bits(kept(*again, 149), wanted[149]));
  EXPECT_EQ(code_of(again->logits_at(148).status()), HADAL_E_NOT_FOUND);
  again->close();

  // After a rewind the last token is computed again for its logits.
  ASSERT_TRUE(s->rewind(20).ok());
  const auto rewound = keeping(s);
  ASSERT_TRUE(run(*rewound).status.ok());
  EXPECT_TRUE(same_bits(kept(*rewound, 19), wanted[19]));
  EXPECT_EQ(code_of(rewound->logits_at(18).status()), HADAL_E_NOT_FOUND);
  rewound->close();
}

// Passes serve them together: pieces of the head cut across the rows of different requests.
TEST_F(KeptLogitsTest, RequestsBesideEachOtherKeepTheirOwn) {
  const auto wanted = step_by_step(model_, prompt_);
  const auto a = session(model_), b = session(model_), c = session(model_);
  ASSERT_TRUE(a->append(std::span(prompt_).first(17)).ok());
  ASSERT_TRUE(b->append(std::span(prompt_).first(90)).ok());
  ASSERT_TRUE(c->append(std::span(prompt_).first(120)).ok());
  const auto first = keeping(a), third = keeping(c);
  auto second = PrefillRequest::create(b, Config());
  ASSERT_TRUE(second.ok());
  const auto running = [&] {
    bool some = false;
    for (Request* request :
         {static_cast<Request*>(first.get()), static_cast<Request*>(second->get()),
          static_cast<Request*>(third.get())}) {
      Event event;
      while (request->poll(event).value_or(HADAL_DONE) == HADAL_EVENT) {
      }
      some |= request->step(0).value_or(HADAL_DONE) != HADAL_DONE;
    }
    return some;
  };
  while (running()) {
  }
  for (uint64_t p = 0; p < 17; ++p) EXPECT_TRUE(same_bits(kept(*first, p), wanted[p])) << p;
  for (uint64_t p = 0; p < 120; ++p) EXPECT_TRUE(same_bits(kept(*third, p), wanted[p])) << p;
  EXPECT_EQ(code_of((*second)->logits_at(0).status()), HADAL_E_NOT_FOUND);
  EXPECT_TRUE(same_bits(*b->logits(), wanted[89]));
  for (Request* request : {static_cast<Request*>(first.get()), static_cast<Request*>(second->get()),
                           static_cast<Request*>(third.get())}) {
    request->close();
  }
}

TEST_F(KeptLogitsTest, ACancelledRequestShowsWhatItHad) {
  const auto wanted = step_by_step(model_, prompt_);
  const auto s = session(model_);
  ASSERT_TRUE(s->append(prompt_).ok());
  const auto request = keeping(s);
  // A head takes two units here; between them the pass is dropped.
  while (!request->logits_at(0).ok()) {
    ASSERT_TRUE(request->step(0).ok());
    Event event;
    ASSERT_TRUE(request->poll(event).ok());  // with events to be read, a step does nothing
  }
  EXPECT_TRUE(request->logits_at(31).ok());
  EXPECT_FALSE(request->logits_at(32).ok());
  request->cancel();
  EXPECT_EQ(code_of(run(*request).status), HADAL_E_CANCELLED);
  request->close();
  for (uint64_t p = 0; p < 32; ++p) EXPECT_TRUE(same_bits(kept(*request, p), wanted[p])) << p;
  EXPECT_EQ(s->n_computed(), 0);

  const auto again = keeping(s);
  ASSERT_TRUE(run(*again).status.ok());
  EXPECT_TRUE(same_bits(kept(*again, 199), wanted[199]));
  again->close();
}

TEST_F(KeptLogitsTest, CountTowardsTheBudget) {
  const Memory& memory = *runtime_->resources().memory;
  const auto s = session(model_);
  ASSERT_TRUE(s->append(prompt_).ok());
  ASSERT_TRUE(prefill(s).status.ok());
  ASSERT_TRUE(s->rewind(0).ok());
  ASSERT_TRUE(s->append(prompt_).ok());
  const uint64_t before = memory.live_bytes();
  {
    const auto request = keeping(s);
    EXPECT_GE(memory.live_bytes() - before, 200u * 320u * 4u);
    request->close();
  }
  EXPECT_EQ(memory.live_bytes(), before);

  Config config = with(HADAL_OPT_THREADS, 0);
  ASSERT_TRUE(config.set_i64(HADAL_OPT_HOST_BYTES, static_cast<int64_t>(before) + 100'000).ok());
  const auto small = *Runtime::create(config);
  const auto model = load(small, kToy, with(HADAL_OPT_CHUNK_ROWS, 48));
  const auto tight = session(model);
  ASSERT_TRUE(tight->append(prompt_).ok());
  const uint64_t live = small->resources().memory->live_bytes();
  const auto hold =
      small->resources().memory->allocate(before + 100'000 - live - 200'000, MemoryTag::kScratch);
  ASSERT_TRUE(hold.ok()) << message_of(hold.status());
  const absl::Status status = PrefillRequest::create(tight, keep()).status();
  EXPECT_EQ(code_of(status), HADAL_E_BUDGET);
  EXPECT_NE(message_of(status).find("keep_logits of 200 tokens"), std::string::npos);
  EXPECT_TRUE(tight->rewind(0).ok()) << "the session is free";
}

TEST_F(KeptLogitsTest, GenerateRefusesThem) {
  const auto s = session(model_);
  ASSERT_TRUE(s->append(prompt_).ok());
  EXPECT_EQ(code_of(GenerateRequest::create(s, greedy(), keep()).status()),
            HADAL_E_INVALID_ARGUMENT);
  EXPECT_TRUE(s->rewind(0).ok());
}

}  // namespace
}  // namespace hadal::test
