#include "lib/base/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
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

// Workers sleep on a condition variable between jobs and take indices from a shared counter during
// one, so a core that another program holds delays only the index it has. Spinning between jobs
// would win microseconds here and lose them twenty-fold on a machine that is not ours alone.
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
  struct Job {
    void (*task)(void*, size_t) = nullptr;
    void* arg = nullptr;
    size_t n = 0;
  };

  void run(size_t n, void (*task)(void*, size_t), void* arg) override {
    const std::lock_guard<std::mutex> one_job(job_mutex_);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = {task, arg, n};
      next_.store(0, std::memory_order_relaxed);
      ++generation_;
      n_working_ = workers_.size();
    }
    wake_.notify_all();
    take_indices(job_);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return n_working_ == 0; });
  }

  void take_indices(const Job& job) {
    for (size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < job.n;)
      job.task(job.arg, i);
  }

  void work(int number) {
    become_hadal_thread(number);
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      const Job job = job_;
      lock.unlock();
      take_indices(job);
      lock.lock();
      if (--n_working_ == 0) done_.notify_one();
    }
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  std::mutex job_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  Job job_;
  uint64_t generation_ = 0;
  size_t n_working_ = 0;
  bool stopping_ = false;
  std::atomic<size_t> next_{0};
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
