// parallel_for on own threads, on the caller, and on a host's.
#include "lib/base/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace hadal {
namespace {

// A host that makes its threads anew for every loop.
struct HostThreads {
  int32_t n_threads = 3;
  int32_t in_parallel = 0;
  int n_loops = 0, n_destroyed = 0;

  hadal_executor table() {
    hadal_executor executor = {};
    executor.struct_size = sizeof executor;
    executor.user_data = this;
    executor.destroy = [](void* self) { ++static_cast<HostThreads*>(self)->n_destroyed; };
    executor.thread_count = [](void* self) { return static_cast<HostThreads*>(self)->n_threads; };
    executor.in_parallel = [](void* self) { return static_cast<HostThreads*>(self)->in_parallel; };
    executor.parallel_for = [](void* self, size_t n, void (*task)(void*, size_t), void* arg) {
      auto* host = static_cast<HostThreads*>(self);
      ++host->n_loops;
      std::atomic<size_t> next{0};
      std::vector<std::thread> threads;
      for (int32_t t = 0; t < host->n_threads; ++t) {
        threads.emplace_back([&] {
          for (size_t i; (i = next.fetch_add(1)) < n;) task(arg, i);
        });
      }
      for (std::thread& thread : threads) thread.join();
    };
    return executor;
  }
};

class ExecutorTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string kind = GetParam();
    if (kind == "caller") executor_ = caller_only();
    if (kind == "pool0") executor_ = *thread_pool(0);
    if (kind == "pool1") executor_ = *thread_pool(1);
    if (kind == "pool4") executor_ = *thread_pool(4);
    if (kind == "host") executor_ = host_executor(share_table(host_.table()));
  }
  HostThreads host_;
  std::shared_ptr<Executor> executor_;
};

TEST_P(ExecutorTest, CallsEveryIndexOnce) {
  for (const size_t n : {0u, 1u, 2u, 3u, 7u, 100u, 1000u}) {
    std::vector<std::atomic<int>> calls(n);
    executor_->parallel_for(n, [&](size_t i) { calls[i].fetch_add(1); });
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(calls[i].load(), 1) << i << " of " << n;
  }
}

TEST_P(ExecutorTest, SeesWhatTheBodiesWrote) {
  // Plain memory: parallel_for returns only when all bodies have, with their writes.
  std::vector<uint64_t> squares(10'000);
  for (int round = 0; round < 20; ++round) {
    executor_->parallel_for(squares.size(), [&](size_t i) { squares[i] += i * i; });
  }
  for (size_t i = 0; i < squares.size(); ++i) ASSERT_EQ(squares[i], 20 * i * i);
}

TEST_P(ExecutorTest, CarriesAnExceptionToTheCallerAndGoesOn) {
  for (const size_t bad : {size_t{0}, size_t{13}, size_t{49}}) {
    EXPECT_THROW(executor_->parallel_for(50,
                                         [&](size_t i) {
                                           if (i == bad) throw std::runtime_error("body");
                                         }),
                 std::runtime_error);
    std::atomic<int> n{0};
    executor_->parallel_for(50, [&](size_t) { n.fetch_add(1); });
    EXPECT_EQ(n.load(), 50) << "usable afterwards";
  }
  EXPECT_THROW(executor_->parallel_for(50, [](size_t) { HADAL_CHECK(false); }), InternalError);
}

INSTANTIATE_TEST_SUITE_P(All, ExecutorTest,
                         testing::Values("caller", "pool0", "pool1", "pool4", "host"),
                         [](const auto& param) { return std::string(param.param); });

TEST(ThreadPoolTest, CountsTheCallerToo) {
  EXPECT_EQ(caller_only()->thread_count(), 1);
  EXPECT_EQ((*thread_pool(-3))->thread_count(), 1);
  EXPECT_EQ((*thread_pool(3))->thread_count(), 4);
  EXPECT_GE(available_cores(), 1);
}

TEST(ThreadPoolTest, WorksOnManyThreadsAtOnce) {
  // Two bodies that each wait for the other: only two threads together can finish them.
  const auto pool = *thread_pool(2);
  std::atomic<int> arrived{0};
  pool->parallel_for(2, [&](size_t) {
    arrived.fetch_add(1);
    while (arrived.load() < 2) std::this_thread::yield();
  });
  EXPECT_EQ(arrived.load(), 2);
}

TEST(ThreadPoolTest, GoesAwayIdleAndUnused) {
  for (int i = 0; i < 50; ++i) {
    const auto pool = *thread_pool(3);
    if (i % 2 == 0) pool->parallel_for(3, [](size_t) {});
  }
}

TEST(ThreadPoolTest, TakesCallersOneAfterTheOther) {
  const auto pool = *thread_pool(2);
  std::atomic<int> n{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) pool->parallel_for(10, [&](size_t) { n.fetch_add(1); });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(n.load(), 4 * 50 * 10);
}

TEST(ThreadPoolTest, WakesUpAfterEveryPause) {
  // Pauses around the time for which workers look for a job before they sleep.
  const auto pool = *thread_pool(3);
  std::atomic<int> n{0};
  for (int i = 0; i < 400; ++i) {
    pool->parallel_for(4, [&](size_t) { n.fetch_add(1); });
    std::this_thread::sleep_for(std::chrono::microseconds(i));
  }
  EXPECT_EQ(n.load(), 4 * 400);
}

TEST(ThreadPoolTest, WaitsForTheSlowOne) {
  const auto pool = *thread_pool(1);
  std::atomic<int> n{0};
  for (int i = 0; i < 20; ++i) {
    pool->parallel_for(2, [&](size_t body) {
      if (body == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      n.fetch_add(1);
    });
    ASSERT_EQ(n.load(), 2 * (i + 1));
  }
}

TEST(ThreadPoolTest, NobodyTakesAnIndexOfAJobThatIsOver) {
  // Small jobs and larger ones in turns, more threads than cores: a worker that comes late to the
  // small one must not take the larger one's count for its.
  const auto pool = *thread_pool(3);
  std::atomic<int> n_strangers{0};
  for (int round = 0; round < 20000; ++round) {
    const size_t n = round % 2 == 0 ? 2 : 64;
    std::atomic<size_t> n_run{0};
    pool->parallel_for(n, [&, n](size_t i) {
      if (i >= n) n_strangers.fetch_add(1);
      n_run.fetch_add(1);
    });
    ASSERT_EQ(n_run.load(), n);
  }
  EXPECT_EQ(n_strangers.load(), 0);
}

TEST(ThreadPoolTest, TakesNoTimeWhenIdle) {
  const auto pool = *thread_pool(3);
  pool->parallel_for(4, [](size_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // asleep by now
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds, 0.1) << "three workers that spin would take 0.6 s on cores enough";
}

TEST(HostExecutorTest, RunsSeriallyInsideALoopOfTheHost) {
  HostThreads host;
  {
    const auto executor = host_executor(share_table(host.table()));
    host.in_parallel = 1;
    const std::thread::id caller = std::this_thread::get_id();
    executor->parallel_for(10, [&](size_t) { EXPECT_EQ(std::this_thread::get_id(), caller); });
    EXPECT_EQ(host.n_loops, 0);
    host.in_parallel = 0;
    executor->parallel_for(10, [](size_t) {});
    EXPECT_EQ(host.n_loops, 1);
  }
  EXPECT_EQ(host.n_destroyed, 1);
}

TEST(HostExecutorTest, TakesNonsensicalThreadCountsForOne) {
  for (const int32_t n : {0, -1, INT32_MIN}) {
    HostThreads host;
    host.n_threads = n;
    EXPECT_EQ(host_executor(share_table(host.table()))->thread_count(), 1);
  }
}

}  // namespace
}  // namespace hadal
