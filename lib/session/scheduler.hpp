// Gathers the rows of all running requests of one model into passes, and stops between two layers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lib/base/mutex.hpp"
#include "lib/model/model.hpp"
#include "lib/model/transformer.hpp"

namespace hadal {

class Session;

// What the scheduler knows of a request: whose tokens it computes, and whom to tell.
class Rows {
 public:
  virtual ~Rows() = default;
  virtual Session& session() = 0;
  // Whether it may take part in the next pass.
  virtual bool wants_rows() = 0;
  // Whether it wants the logits of every token, and not only of the last.
  virtual bool wants_all_logits() { return false; }
  // Those after the token at a position of the session; in order, before rows_done() of their pass.
  virtual void take_logits(int32_t /*position*/, std::span<const float> /*logits*/) {}
  // n more tokens of the session are computed. `logits` of the last one, if all that were queued
  // are.
  virtual absl::Status rows_done(int64_t n, std::vector<float> logits) = 0;
  virtual void rows_failed(const absl::Status& status) = 0;
};

class Scheduler {
 public:
  explicit Scheduler(const Model& model) : model_(model) {}

  Mutex& mutex() ABSL_LOCK_RETURNED(mutex_) { return mutex_; }
  void add(Rows* rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Rows of a pass under way are dropped; the pass goes on for the others.
  void remove(Rows* rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // One unit of work: one layer times one chunk of rows, or the head of as many as the buffers hold
  // logits for. Chunks are cut so that a unit takes about unit_budget_ns.
  void unit(uint64_t unit_budget_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

 private:
  struct Part {  // of a pass: the rows of one session
    Rows* rows;  // null once removed
    int64_t n;
    int32_t n_wanted;             // rows that need logits: none, the last one, or all of them
    bool has_logits;              // the last row is the last of what was queued
    std::vector<float> logits{};  // of that row
  };

  bool begin_pass(int32_t most_rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status head() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void finish_pass() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void fail_pass(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool nobody_waits() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int32_t rows_within(uint64_t unit_budget_ns) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Model& model_;
  Mutex mutex_;
  std::vector<Rows*> running_ ABSL_GUARDED_BY(mutex_);
  size_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<Buffers> buffers_ ABSL_GUARDED_BY(mutex_);
  std::optional<ForwardPass> pass_ ABSL_GUARDED_BY(mutex_);
  std::vector<Part> parts_ ABSL_GUARDED_BY(mutex_);
  int32_t layer_ ABSL_GUARDED_BY(mutex_) = 0;
  int32_t n_headed_ ABSL_GUARDED_BY(mutex_) = 0;  // wanted rows whose logits are there
  std::vector<float> logits_ ABSL_GUARDED_BY(mutex_);
  double ns_per_row_ ABSL_GUARDED_BY(mutex_) = 0.0;  // of one layer, as measured lately
};

}  // namespace hadal
