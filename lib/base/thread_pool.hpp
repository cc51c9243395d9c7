// parallel_for: where hadal's threads come from. Own workers that sleep when idle, the host's
// executor, or nobody but the caller.
#pragma once

#include <hadal/hadal.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <type_traits>

#include "lib/base/host_table.hpp"
#include "lib/base/status.hpp"

namespace hadal {

class Executor {
 public:
  virtual ~Executor() = default;

  // How many tasks can run at once, at least 1. Constant for the life of the executor.
  virtual int thread_count() const = 0;

  // Calls body(i) for every i < n, in any order, on any of the threads and on the caller's, and
  // returns when all have returned. An exception of a body arrives here, once; whether
  // the bodies after it ran is then open. One call at a time; not from inside a body.
  template <class Body>
  void parallel_for(size_t n, Body&& body) {
    if (n == 1 || thread_count() == 1) {
      for (size_t i = 0; i < n; ++i) body(i);
      return;
    }
    struct Shared {
      std::remove_reference_t<Body>* body;
      std::mutex mutex;
      std::exception_ptr failure;
    } shared{&body, {}, {}};
    run(
        n,
        [](void* arg, size_t i) {
          auto* s = static_cast<Shared*>(arg);
          try {
            (*s->body)(i);
          } catch (...) {
            const std::lock_guard<std::mutex> lock(s->mutex);
            if (!s->failure) s->failure = std::current_exception();
          }
        },
        &shared);
    if (shared.failure) std::rethrow_exception(shared.failure);
  }

 private:
  virtual void run(size_t n, void (*task)(void* arg, size_t i), void* arg) = 0;
};

// The caller alone.
std::shared_ptr<Executor> caller_only();

// n_workers threads named "hadal-1" ..., besides the caller; E_NO_MEMORY if the system gives none.
absl::StatusOr<std::shared_ptr<Executor>> thread_pool(int n_workers);

// The host's threads.
std::shared_ptr<Executor> host_executor(SharedTable<hadal_executor> table);

// Cores this process may use; at least 1.
int available_cores();

// For threads of ours: blocks every signal in the calling thread, sets the default floating-point
// environment, and names it "hadal-<n>".
void become_hadal_thread(int n);

}  // namespace hadal
