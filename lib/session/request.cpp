#include "lib/session/request.hpp"

#include <limits>

#include "lib/base/float_environment.hpp"

namespace hadal {

hadal_event public_event(const Event& event) {
  hadal_event out = {};
  out.struct_size = sizeof out;
  out.kind = event.kind;
  out.sequence = event.sequence;
  out.token = event.token;
  out.logprob = event.logprob;
  out.channel = event.channel;
  out.finish = event.finish;
  out.progress = event.progress;
  out.text = event.text.c_str();
  out.text_size = event.text.size();
  return out;
}

Request::Request(std::shared_ptr<Runtime> runtime)
    : runtime_(std::move(runtime)),
      created_ns_(now_ns()),
      cancelled_status_(fail(HADAL_E_CANCELLED, "the request was cancelled", kNoHint)),
      no_memory_status_(fail(HADAL_E_NO_MEMORY, "out of host memory",
                             "Free memory and try again, or use a smaller context.")) {}

Request::~Request() {
  if (callback_.destroy != nullptr) callback_.destroy(callback_.user_data);
}

absl::Status Request::set_callback(const EventCallback& callback) {
  if (started_) {
    return fail(HADAL_E_INVALID_ARGUMENT, "the request has started already",
                "Set the callback before the first step, poll or wait.");
  }
  if (callback_.destroy != nullptr) callback_.destroy(callback_.user_data);
  callback_ = callback;
  return absl::OkStatus();
}

void Request::start() {
  if (started_.load(std::memory_order_acquire)) return;
  started_ns_ = now_ns();
  update_stats([&](RequestStats& s) { s.queue_ns = started_ns_ - created_ns_; });
  Driver* driver = runtime_->driver();
  if (driver != nullptr) driver->add(this);  // if memory is out, nothing has started
  started_.store(true, std::memory_order_release);
  if (driver != nullptr) driver->wake();
}

absl::StatusOr<hadal_status> Request::step(uint64_t budget_ns) {
  start();
  const Deadline deadline = Deadline::after_ns(budget_ns);
  const uint64_t unit_budget_ns = budget_ns == 0 ? UINT64_MAX : budget_ns;
  do {
    if (ended() || has_events()) break;
    advance(unit_budget_ns);
  } while (!deadline.passed());
  return answer();
}

absl::StatusOr<hadal_status> Request::poll(Event& out) {
  start();
  absl::StatusOr<hadal_status> result = HADAL_EVENT;
  bool taken = false, half_empty = false;
  {
    // The answer belongs to the same look: an event that came after it would be told, not taken.
    const MutexLock lock(&mutex_);
    result = current_answer();
    if (!events_.empty()) {
      taken = true;
      out = std::move(events_.front());
      events_.pop_front();
      half_empty = events_.size() == kMaxUnreadEvents / 2;
      n_events_.store(events_.size(), std::memory_order_release);
    }
  }
  // A driver that sleeps because nobody read, or did not see a cancel, goes on from here.
  if (half_empty || !taken) {
    if (Driver* driver = runtime_->driver()) driver->wake();
  }
  return result;
}

absl::StatusOr<hadal_status> Request::wait(uint64_t timeout_ns) {
  start();
  const Deadline deadline = Deadline::after_ns(timeout_ns);
  if (Driver* driver = runtime_->driver()) {
    driver->wake();
    MutexLock lock(&mutex_);
    const auto something = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return !events_.empty() || ended_;
    };
    if (deadline.is_finite()) {
      changed_.wait_for(lock.native(), std::chrono::nanoseconds(deadline.remaining_ns()),
                        something);
    } else {
      changed_.wait(lock.native(), something);
    }
  } else {
    while (!ended() && !has_events() && !deadline.passed()) advance(deadline.remaining_ns());
  }
  return answer();
}

void Request::advance(uint64_t unit_budget_ns) {
  const MutexLock lock(&lane());
  if (ended()) return;
  const DefaultFloatEnvironment environment;  // this may be a thread of the host
  absl::Status status;
  if (cancel_wanted()) {
    status = cancelled_status_;
  } else if (can_work()) {
    status = caught([&] { return work(unit_budget_ns); });
  }
  if (!status.ok() && !ended()) end(std::move(status));
}

bool Request::can_work() const {
  if (ended() || !started_.load(std::memory_order_acquire)) return false;
  return cancel_wanted() || n_events_.load(std::memory_order_acquire) < kMaxUnreadEvents;
}

void Request::emit(Event event) {
  if (callback_.function != nullptr) {
    {
      const MutexLock lock(&mutex_);
      event.sequence = next_sequence_++;
    }
    const hadal_event out = public_event(event);
    if (callback_.function(callback_.user_data, &out) != HADAL_CONTINUE) cancel();
    return;
  }
  {
    const MutexLock lock(&mutex_);
    event.sequence = next_sequence_++;
    events_.push_back(std::move(event));
    n_events_.store(events_.size(), std::memory_order_release);
  }
  changed_.notify_all();
}

void Request::emit_progress(double fraction) {
  constexpr uint64_t kLeastGapNs = 50'000'000;
  const uint64_t now = now_ns();
  if (fraction <= last_progress_) return;  // nothing new to say
  const bool is_due =
      last_progress_ < 0.0 || fraction >= 1.0 || now - last_progress_ns_ >= kLeastGapNs;
  if (!is_due) return;
  last_progress_ = fraction;
  last_progress_ns_ = now;
  Event event;
  event.kind = HADAL_EVENT_PROGRESS;
  event.progress = fraction;
  emit(std::move(event));
}

void Request::end(absl::Status status) {
  abandon();
  {
    const MutexLock lock(&mutex_);
    end_status_ = std::move(status);
    ended_.store(true, std::memory_order_release);
  }
  changed_.notify_all();
}

void Request::close() {
  cancel();
  if (Driver* driver = runtime_->driver()) driver->remove(this);
  const MutexLock lock(&lane());
  if (!ended()) end(cancelled_status_);
}

bool Request::has_events() const { return n_events_.load(std::memory_order_acquire) > 0; }

absl::StatusOr<hadal_status> Request::answer() const {
  const MutexLock lock(&mutex_);
  return current_answer();
}

absl::StatusOr<hadal_status> Request::current_answer() const {
  if (!events_.empty()) return HADAL_EVENT;
  if (!ended_) return HADAL_PENDING;
  if (!end_status_.ok()) return end_status_;
  return HADAL_DONE;
}

RequestStats Request::stats() const {
  const MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace hadal
