// The root: threads, memory, files and log of everything made under it; and the driver, the thread
// that moves running requests in the background.
#pragma once

#include <hadal/hadal.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "lib/base/fork_guard.hpp"
#include "lib/base/mutex.hpp"
#include "lib/model/model.hpp"
#include "lib/session/options.hpp"

namespace hadal {

class Request;

// One thread that gives running requests a unit of work each, in turn, and sleeps when none can
// work. It owns no request: whoever owns one removes it before letting go.
class Driver {
 public:
  // Starts the thread; throws std::system_error if the system gives none.
  Driver();
  ~Driver();

  void add(Request* request);  // then wake(), once it can work
  // Waits for a unit of work under way on it.
  void remove(Request* request);
  void wake();

 private:
  struct Entry {
    Request* request;
    bool in_use = false;
  };
  void run();
  Entry* next_that_can_work() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar work_;
  CondVar released_;
  std::vector<std::unique_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
  size_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class Runtime : public std::enable_shared_from_this<Runtime> {
 public:
  // E_UNKNOWN_OPTION for a key of another scope, E_NO_MEMORY if the system gives no threads.
  static absl::StatusOr<std::shared_ptr<Runtime>> create(const Config& config);

  const Resources& resources() const { return resources_; }
  int64_t determinism() const { return determinism_; }
  bool untrusted() const { return untrusted_; }
  bool host_io() const { return host_io_; }
  Driver* driver() const { return driver_.get(); }  // null: caller-only
  bool in_forked_child() const { return fork_guard_.in_forked_child(); }

  // Sums over all requests that ended.
  std::atomic<uint64_t> prompt_tokens{0}, reused_tokens{0}, generated_tokens{0};
  std::atomic<uint64_t> prefill_ns{0}, decode_ns{0}, read_bytes{0};

 private:
  Runtime() = default;

  Resources resources_;
  int64_t determinism_ = 1;
  bool untrusted_ = false;
  bool host_io_ = false;
  ForkGuard fork_guard_;
  std::unique_ptr<Driver> driver_;
};

}  // namespace hadal
