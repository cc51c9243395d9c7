// oneDNN's work on hadal's threads. A oneDNN that was built for OpenMP, as distributions have it,
// brings threads of its own; that is for trying things out, not for shipping.
#pragma once

#include <memory>
#include <utility>

#include "backends/onednn/dnnl.hpp"
#include "lib/base/thread_pool.hpp"

namespace hadal::onednn {

#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_THREADPOOL

class Threads : public dnnl::threadpool_interop::threadpool_iface {
 public:
  explicit Threads(std::shared_ptr<Executor> executor) : executor_(std::move(executor)) {}

  dnnl::stream stream(const dnnl::engine& engine) {
    return dnnl::threadpool_interop::make_stream(engine, this);
  }
  // A primitive is made for a number of threads, which belongs to the thread that makes it. Given
  // back afterwards: that thread may be the host's.
  template <class Make>
  auto for_all(Make&& make) const {
    struct Restored {
      int before = 1;
      explicit Restored(int n) {
        dnnl_threadpool_interop_get_max_concurrency(&before);
        dnnl_threadpool_interop_set_max_concurrency(n);
      }
      ~Restored() { dnnl_threadpool_interop_set_max_concurrency(before); }
    } const restored(get_num_threads());
    return make();
  }

  int get_num_threads() const override { return executor_->thread_count(); }
  bool get_in_parallel() const override { return false; }  // it asks only where it would share out
  uint64_t get_flags() const override { return 0; }        // parallel_for() waits
  void parallel_for(int n, const std::function<void(int, int)>& body) override {
    executor_->parallel_for(static_cast<size_t>(n),
                            [&](size_t i) { body(static_cast<int>(i), n); });
  }

 private:
  std::shared_ptr<Executor> executor_;
};

#else

class Threads {
 public:
  explicit Threads(std::shared_ptr<Executor>) {}
  dnnl::stream stream(const dnnl::engine& engine) { return dnnl::stream(engine); }
  template <class Make>
  auto for_all(Make&& make) const {
    return make();
  }
};

#endif

}  // namespace hadal::onednn
