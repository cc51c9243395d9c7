// Cancelling at every point where work can pause: of a load, a prefill, a generation. Afterwards
// nothing is left of a load; a session holds what was announced, and goes on as if undisturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <thread>

#include "tests/session/workbench.hpp"

namespace hadal::test {
namespace {

// Steps one unit at a time, at most `most`; counts the units it took. Events are drained into
// `out`, so that every step finds none waiting and works.
size_t step_units(Request& request, size_t most, Outcome& out) {
  for (size_t units = 0; units < most; ++units) {
    absl::StatusOr<hadal_status> status = request.step(0);
    while (status.ok() && *status == HADAL_EVENT) {
      Event event;
      status = request.poll(event);
      if (status.ok() && *status == HADAL_EVENT) out.events.push_back(std::move(event));
    }
    if (!status.ok()) {
      out.status = status.status();
      return units + 1;
    }
    if (*status == HADAL_DONE) return units + 1;
  }
  return most;
}

size_t units_of(Request& request, Outcome& out) { return step_units(request, SIZE_MAX, out); }

class CancelTest : public testing::Test {
 protected:
  std::shared_ptr<Runtime> runtime_ = runtime(0);
};

TEST_F(CancelTest, LoadAtEveryUnitLeavesNothing) {
  for (const int64_t mmap : {0, 1}) {
    const Config config = with(HADAL_OPT_MMAP, mmap);
    auto whole = *LoadRequest::create(runtime_, kToy, config);
    Outcome outcome;
    const size_t n_units = units_of(*whole, outcome);
    ASSERT_TRUE(outcome.status.ok());
    ASSERT_GT(n_units, 20u);
    whole.reset();
    const uint64_t live = runtime_->resources().memory->live_bytes();
    EXPECT_EQ(live, 0u);

    for (size_t k = 0; k < n_units; ++k) {
      auto request = *LoadRequest::create(runtime_, kToy, config);
      Outcome before;
      step_units(*request, k, before);
      ASSERT_TRUE(before.status.ok());
      request->cancel();
      EXPECT_EQ(code_of(run(*request).status), HADAL_E_CANCELLED) << "unit " << k;
      EXPECT_EQ(code_of(run(*request).status), HADAL_E_CANCELLED) << "the same answer every time";
      EXPECT_FALSE(request->model().ok());
      request->close();
      request.reset();
      EXPECT_EQ(runtime_->resources().memory->live_bytes(), live) << "unit " << k;
    }
  }
}

TEST_F(CancelTest, PrefillAtEveryUnitThenGoingOn) {
  const auto model = load(runtime_, kToy, with(HADAL_OPT_CHUNK_ROWS, 48));
  const auto prompt = prompt_of(200);
  const auto undisturbed = session(model);
  ASSERT_TRUE(undisturbed->append(prompt).ok());
  auto whole = *PrefillRequest::create(undisturbed, Config());
  Outcome outcome;
  const size_t n_units = units_of(*whole, outcome);
  ASSERT_GE(n_units, 5u * 4u) << "five chunks of three layers and a head";

  for (size_t k = 0; k < n_units; ++k) {
    SCOPED_TRACE(k);
    const auto s = session(model);
    ASSERT_TRUE(s->append(prompt).ok());
    auto request = *PrefillRequest::create(s, Config());
    Outcome before;
    step_units(*request, k, before);
    request->cancel();
    EXPECT_EQ(code_of(run(*request).status), HADAL_E_CANCELLED);
    request->close();
    EXPECT_EQ(s->tokens(), prompt) << "what was queued stays queued";
    ASSERT_TRUE(prefill(s).status.ok());
    EXPECT_EQ(*s->logits(), *undisturbed->logits());
  }
}

TEST_F(CancelTest, GenerateAtEveryUnitKeepsExactlyWhatWasAnnounced) {
  const auto model = load(runtime_, kToy);
  const auto prompt = prompt_of(9);
  const auto undisturbed = session(model);
  ASSERT_TRUE(undisturbed->append(prompt).ok());
  auto whole = *GenerateRequest::create(undisturbed, greedy(), with(HADAL_OPT_MAX_TOKENS, 6));
  Outcome all;
  const size_t n_units = units_of(*whole, all);
  ASSERT_EQ(all.tokens().size(), 6u);

  for (size_t k = 0; k < n_units; ++k) {
    SCOPED_TRACE(k);
    const auto s = session(model);
    ASSERT_TRUE(s->append(prompt).ok());
    auto request = *GenerateRequest::create(s, greedy(), with(HADAL_OPT_MAX_TOKENS, 6));
    Outcome before;
    step_units(*request, k, before);
    request->cancel();
    const Outcome after = run(*request);
    EXPECT_EQ(code_of(after.status), HADAL_E_CANCELLED);
    request->close();

    std::vector<int32_t> announced = before.tokens();
    for (const int32_t token : after.tokens()) announced.push_back(token);
    std::vector<int32_t> wanted = prompt;
    wanted.insert(wanted.end(), announced.begin(), announced.end());
    EXPECT_EQ(s->tokens(), wanted);

    // Going on gives the rest.
    const Outcome rest = generate(s, 6 - static_cast<int64_t>(announced.size()));
    ASSERT_TRUE(rest.status.ok());
    for (const int32_t token : rest.tokens()) announced.push_back(token);
    EXPECT_EQ(announced, all.tokens());
    EXPECT_EQ(s->tokens(), undisturbed->tokens());
  }
}

// One request of several in a pass is cancelled at every unit: the others do not notice.
TEST_F(CancelTest, CancellingOneOfABatchLeavesTheOthers) {
  const auto model = load(runtime_, kToy, with(HADAL_OPT_CHUNK_ROWS, 32));
  const auto prompt = prompt_of(200);
  const auto alone = session(model);
  ASSERT_TRUE(alone->append(std::span(prompt).first(50)).ok());
  ASSERT_TRUE(prefill(alone).status.ok());

  for (size_t k = 0; k < 16; ++k) {
    const auto a = session(model), b = session(model);
    ASSERT_TRUE(a->append(std::span(prompt).first(50)).ok());
    ASSERT_TRUE(b->append(std::span(prompt).first(90)).ok());
    auto keep = *PrefillRequest::create(a, Config());
    auto drop = *PrefillRequest::create(b, Config());
    ASSERT_TRUE(drop->step(0).ok());  // both have started
    ASSERT_TRUE(keep->step(0).ok());
    Outcome out;
    step_units(*keep, k, out);
    drop->cancel();
    EXPECT_EQ(code_of(run(*drop).status), HADAL_E_CANCELLED);
    drop->close();
    ASSERT_TRUE(run(*keep).status.ok());
    EXPECT_EQ(*a->logits(), *alone->logits()) << "unit " << k;
  }
}

// An allocator that takes nothing back: released memory is filled with a pattern and looked at
// later.
struct Morgue {
  static constexpr unsigned char kDead = 0xDD;
  struct Body {
    unsigned char* data;
    size_t size;
  };
  std::vector<Body> bodies;

  SharedTable<hadal_allocator> table() {
    hadal_allocator t = {};
    t.struct_size = sizeof t;
    t.user_data = this;
    t.allocate = [](void*, size_t size, size_t align, int32_t) -> void* {
      return ::operator new(size, std::align_val_t(align));
    };
    t.release = [](void* self, void* ptr, size_t size, size_t, int32_t) {
      std::memset(ptr, kDead, size);
      static_cast<Morgue*>(self)->bodies.push_back({static_cast<unsigned char*>(ptr), size});
    };
    return share_table(t);
  }
  bool at_rest() const {
    return std::all_of(bodies.begin(), bodies.end(), [](const Body& b) {
      return std::all_of(b.data, b.data + b.size, [](unsigned char c) { return c == kDead; });
    });
  }
  ~Morgue() {
    for (const Body& b : bodies) ::operator delete(b.data, std::align_val_t(Memory::kAlign));
  }
};

// The host may free or rewind the session of a cancelled request at once, while the pass that its
// rows are in goes on for the others.
TEST_F(CancelTest, APassTouchesNoPageThatItsSessionHasGivenBack) {
  for (const bool rewinds : {false, true}) {
    SCOPED_TRACE(rewinds);
    Morgue morgue;
    Config config = with(HADAL_OPT_THREADS, 0);
    config.allocator = morgue.table();
    const auto model = load(*Runtime::create(config), kToy, with(HADAL_OPT_CHUNK_ROWS, 32));
    const auto prompt = prompt_of(200);
    auto a = session(model), b = session(model);
    ASSERT_TRUE(a->append(std::span(prompt).first(9)).ok());
    ASSERT_TRUE(b->append(std::span(prompt).first(9)).ok());
    ASSERT_TRUE(prefill(b).status.ok());
    ASSERT_TRUE(b->append(std::span(prompt).first(9)).ok());
    auto keep = *PrefillRequest::create(a, Config());
    auto drop = *PrefillRequest::create(b, Config());
    Event event;
    ASSERT_TRUE(drop->poll(event).ok());  // started
    ASSERT_TRUE(keep->step(0).ok());      // the first layer of both
    drop->close();
    drop.reset();
    if (rewinds) {
      ASSERT_TRUE(b->rewind(0).ok());
    } else {
      b.reset();
    }
    morgue.bodies.reserve(1000);
    ASSERT_TRUE(run(*keep).status.ok());
    keep->close();
    EXPECT_TRUE(morgue.at_rest());
  }
}

TEST_F(CancelTest, FreeingARunningRequestEndsIt) {
  const auto pool = runtime(2);
  const auto model = load(pool, kToy);
  for (int i = 0; i < 20; ++i) {
    const auto s = session(model);
    ASSERT_TRUE(s->append(prompt_of(200)).ok());
    auto request = *GenerateRequest::create(s, greedy(), Config());
    ASSERT_TRUE(request->wait(static_cast<uint64_t>(i) * 100'000).ok());
    request->close();
    request.reset();
    EXPECT_TRUE(s->rewind(0).ok()) << "the session is free again";
  }
}

TEST_F(CancelTest, FromAnotherThreadAtAnyTime) {
  const auto pool = runtime(2);
  const auto model = load(pool, kToy);
  for (int i = 0; i < 20; ++i) {
    const auto s = session(model);
    ASSERT_TRUE(s->append(prompt_of(200)).ok());
    auto request = *GenerateRequest::create(s, greedy(), Config());
    std::atomic<bool> go{false};
    std::thread other([&] {
      while (!go) std::this_thread::yield();
      for (int spin = 0; spin < i * 200; ++spin) std::this_thread::yield();
      request->cancel();
    });
    go = true;
    const Outcome outcome = run(*request);
    other.join();
    request->close();
    EXPECT_TRUE(outcome.status.ok() || code_of(outcome.status) == HADAL_E_CANCELLED);
    std::vector<int32_t> wanted = prompt_of(200);
    for (const int32_t token : outcome.tokens()) wanted.push_back(token);
    EXPECT_EQ(s->tokens(), wanted);
  }
}

}  // namespace
}  // namespace hadal::test
