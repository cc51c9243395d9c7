// A piece of work that a host moves: step, poll, wait, cancel. What the work is, a kind of request
// says in its own file; this one knows states, events, and who does the work.
#pragma once

#include <hadal/hadal.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "lib/base/deadline.hpp"
#include "lib/base/mutex.hpp"
#include "lib/base/status.hpp"
#include "lib/session/runtime.hpp"

namespace hadal {

struct Event {
  int32_t kind = 0;  // HADAL_EVENT_*
  uint64_t sequence = 0;
  int32_t token = 0;
  float logprob = 0.0f;
  int32_t channel = 0;
  int32_t finish = 0;
  double progress = 0.0;
  std::string text;
};

// As hadal.h shows it. The text is lent: the event must outlive it.
hadal_event public_event(const Event& event);

struct RequestStats {
  uint64_t prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0;
  uint64_t queue_ns = 0, prefill_ns = 0, first_token_ns = 0, decode_ns = 0;
  uint64_t seed = 0, read_bytes = 0;
};

// The host's callback, with its destroy function called when the request goes.
struct EventCallback {
  hadal_event_fn function = nullptr;
  void* user_data = nullptr;
  void (*destroy)(void*) = nullptr;
};

class Request {
 public:
  explicit Request(std::shared_ptr<Runtime> runtime);
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  virtual ~Request();

  // What the C functions of these names answer: HADAL_PENDING, EVENT or DONE, or the failure that
  // ended the request.
  absl::StatusOr<hadal_status> step(uint64_t budget_ns);
  absl::StatusOr<hadal_status> poll(Event& out);
  absl::StatusOr<hadal_status> wait(uint64_t timeout_ns);
  void cancel() noexcept { cancelled_.store(true, std::memory_order_release); }
  absl::Status set_callback(const EventCallback& callback);

  // Ends the request, waiting for a unit of work under way. Every owner calls it before letting go.
  void close();

  RequestStats stats() const;
  Runtime& runtime() const { return *runtime_; }

  // For the driver of the runtime.
  void advance(uint64_t unit_budget_ns = UINT64_MAX);  // one unit of work, if there is any
  bool can_work() const;  // false at the end, and while nobody reads the events

 protected:
  // Requests that share a lane work one at a time. Held during work() and abandon().
  virtual Mutex& lane() = 0;
  // One unit of work. A failure ends the request.
  virtual absl::Status work(uint64_t unit_budget_ns) = 0;
  // Lets go of everything shared: called once, at the end, however it came.
  virtual void abandon() = 0;

  // For work(), or whoever holds the lane.
  void emit(Event event);
  void emit_progress(double fraction);  // at most every 50 ms, and 1.0
  void end(absl::Status status);        // OK: done
  bool ended() const { return ended_.load(std::memory_order_acquire); }
  bool cancel_wanted() const { return cancelled_.load(std::memory_order_acquire); }
  uint64_t started_ns() const { return started_ns_; }

  // What `part`, a part of the work, answers, or what its exception amounts to.
  template <class Part>
  absl::Status caught(Part&& part) const noexcept {
    constexpr absl::string_view kReport = "This is a bug of hadal: please report it.";
    try {
      try {
        return part();
      } catch (const std::bad_alloc&) {
        return no_memory_status_;
      } catch (const std::exception& bug) {
        return fail(HADAL_E_INTERNAL, bug.what(), kReport);
      } catch (...) {
        return fail(HADAL_E_INTERNAL, "an unknown exception", kReport);
      }
    } catch (...) {  // there was no memory left to say what it was
      return no_memory_status_;
    }
  }

  template <class Change>
  void update_stats(Change&& change) {
    const MutexLock lock(&mutex_);
    change(stats_);
  }

 private:
  static constexpr size_t kMaxUnreadEvents = 1024;

  void start();
  bool has_events() const;
  // EVENT, DONE, PENDING or the failure, as things stand.
  absl::StatusOr<hadal_status> answer() const;
  absl::StatusOr<hadal_status> current_answer() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<Runtime> runtime_;
  const uint64_t created_ns_;
  // Made beforehand: to end a request must not need memory.
  const absl::Status cancelled_status_, no_memory_status_;
  uint64_t started_ns_ = 0;  // written once, before the first unit of work
  std::atomic<bool> started_{false};
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> ended_{false};
  EventCallback callback_;
  double last_progress_ = -1.0;
  uint64_t last_progress_ns_ = 0;

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  std::atomic<size_t> n_events_{0};
  uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status end_status_ ABSL_GUARDED_BY(mutex_);
  RequestStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hadal
