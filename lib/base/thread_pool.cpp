#include "lib/base/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/float_environment.hpp"

namespace hadal {
namespace {

class CallerOnly : public Executor {
 public:
  int thread_count() const override { return 1; }

 private:
  void run(size_t n, void (*task)(void*, size_t), void* arg) override {
    for (size_t i = 0; i < n; ++i) task(arg, i);
  }
};

// Tells the core that this thread only waits.
void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks for something to come true, for a little longer than it takes to wake up from sleep.
template <class Condition>
bool comes_soon(Condition&& condition) {
  constexpr auto kPatience = std::chrono::microseconds(50);
  constexpr int kLooksPerGlance = 32;  // at the clock
  const auto end = std::chrono::steady_clock::now() + kPatience;
  do {
    for (int i = 0; i < kLooksPerGlance; ++i) {
      if (condition()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

// A forward pass is some hundred jobs, each a few microseconds after the one before: workers look
// for the next one that long before they sleep, so that within a pass nobody has to be woken, and
// an idle pool takes no time. Indices are taken one by one, and a job is over when all are done,
// not when everybody has looked at it: a worker whose core another program holds delays only the
// index it has, and one that sleeps delays nothing.
class ThreadPool : public Executor {
 public:
  explicit ThreadPool(int n_workers) {
    workers_.reserve(static_cast<size_t>(n_workers));
    try {
      for (int i = 0; i < n_workers; ++i) workers_.emplace_back([this, i] { work(i + 1); });
    } catch (...) {
      stop();
      throw;
    }
  }
  ~ThreadPool() override { stop(); }

  int thread_count() const override { return static_cast<int>(workers_.size()) + 1; }

 private:
  void run(size_t n, void (*task)(void*, size_t), void* arg) override {
    if (n == 0) return;
    HADAL_CHECK(n <= UINT32_MAX);
    const std::lock_guard<std::mutex> one_job(job_mutex_);
    task_.store(task, std::memory_order_relaxed);
    arg_.store(arg, std::memory_order_relaxed);
    n_.store(static_cast<uint32_t>(n), std::memory_order_relaxed);
    n_unfinished_.store(static_cast<uint32_t>(n), std::memory_order_relaxed);
    const uint32_t number = job_number(left_.load(std::memory_order_relaxed)) + 1;
    left_.store(uint64_t{number} << 32 | n);
    if (n_sleeping_.load() > 0) {
      { const std::lock_guard<std::mutex> lock(mutex_); }  // whoever is about to sleep, sleeps now
      wake_.notify_all();
    }

    take_indices(number);
    const auto is_over = [this] { return n_unfinished_.load() == 0; };
    if (comes_soon(is_over)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    caller_sleeps_.store(true);
    done_.wait(lock, is_over);
    caller_sleeps_.store(false);
  }

  static uint32_t job_number(uint64_t left) { return static_cast<uint32_t>(left >> 32); }

  // The number of the job and how many of its indices are free change in one step, and that none
  // is free can be told from this word alone: whoever takes an index has read the task of its job,
  // which stays what it is until all indices are done. (A count of those taken would not do: it
  // says nothing without n_, which might be the next job's already.)
  void take_indices(uint32_t number) {
    uint64_t left = left_.load(std::memory_order_acquire);
    while (job_number(left) == number && static_cast<uint32_t>(left) != 0) {
      const auto task = task_.load(std::memory_order_relaxed);
      void* arg = arg_.load(std::memory_order_relaxed);
      const uint32_t n = n_.load(std::memory_order_relaxed);
      if (!left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
        continue;
      }
      task(arg, n - static_cast<uint32_t>(left));
      if (n_unfinished_.fetch_sub(1) == 1 && caller_sleeps_.load()) {
        { const std::lock_guard<std::mutex> lock(mutex_); }
        done_.notify_one();
      }
      left = left_.load(std::memory_order_acquire);
    }
  }

  void work(int number) {
    become_hadal_thread(number);
    uint32_t seen = 0;
    const auto has_news = [&] { return stopping_.load() || job_number(left_.load()) != seen; };
    while (true) {
      if (!comes_soon(has_news)) {
        std::unique_lock<std::mutex> lock(mutex_);
        n_sleeping_.fetch_add(1);
        wake_.wait(lock, has_news);
        n_sleeping_.fetch_sub(1);
      }
      if (stopping_.load()) return;
      seen = job_number(left_.load());
      take_indices(seen);
    }
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_.store(true);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  std::mutex job_mutex_;
  std::atomic<uint64_t> left_{0};  // number of the job << 32 | how many indices are free
  std::atomic<void (*)(void*, size_t)> task_{nullptr};
  std::atomic<void*> arg_{nullptr};
  std::atomic<uint32_t> n_{0};
  std::atomic<uint32_t> n_unfinished_{0};

  // Who sleeps says so first and looks once more; who has news tells first and looks for sleepers
  // then: one of the two sees the other.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::atomic<int> n_sleeping_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

class HostExecutor : public Executor {
 public:
  explicit HostExecutor(SharedTable<hadal_executor> table) : table_(std::move(table)) {
    n_threads_ = std::max(1, (*table_)->thread_count((*table_)->user_data));
  }
  int thread_count() const override { return n_threads_; }

 private:
  void run(size_t n, void (*task)(void*, size_t), void* arg) override {
    const HostTable<hadal_executor>& host = *table_;
    // Already inside a parallel loop of the host: a second one could deadlock.
    if (host->in_parallel != nullptr && host->in_parallel(host->user_data) != 0) {
      for (size_t i = 0; i < n; ++i) task(arg, i);
      return;
    }
    Job job{task, arg};
    host->parallel_for(
        host->user_data, n,
        [](void* a, size_t i) {
          const DefaultFloatEnvironment environment;
          const auto* j = static_cast<const Job*>(a);
          j->task(j->arg, i);
        },
        &job);
  }

  struct Job {
    void (*task)(void*, size_t);
    void* arg;
  };

  SharedTable<hadal_executor> table_;
  int n_threads_;
};

}  // namespace

std::shared_ptr<Executor> caller_only() { return std::make_shared<CallerOnly>(); }

absl::StatusOr<std::shared_ptr<Executor>> thread_pool(int n_workers) {
  if (n_workers <= 0) return caller_only();
  try {
    return std::make_shared<ThreadPool>(n_workers);
  } catch (const std::system_error& error) {
    return fail(HADAL_E_NO_MEMORY, absl::StrCat("the system gave no ", n_workers, " threads"),
                "Lower the option threads, or raise the limit on processes.", error.code().value());
  }
}

std::shared_ptr<Executor> host_executor(SharedTable<hadal_executor> table) {
  return std::make_shared<HostExecutor>(std::move(table));
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    const int n = CPU_COUNT(&set);
    if (n > 0) return n;
  }
  const unsigned n = std::thread::hardware_concurrency();
  return n == 0 ? 1 : static_cast<int>(n);
}

void become_hadal_thread(int n) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  const std::string name = absl::StrCat("hadal-", n);
  set_default_float_environment();
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace hadal
