// The threads of the cpu backend, each with a little memory of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "backends/cpu/kernels.hpp"
#include "lib/base/memory.hpp"
#include "lib/base/thread_pool.hpp"

namespace hadal::cpu {

// Rows of x that one pass over a panel serves; with them the sums stay in the L2 cache.
inline constexpr int64_t kPassRows = 96;
inline constexpr int64_t kInt8PassRows = 256;  // at most, of products in 8 bits

// Bytes of n of T in whole cache lines, for parts of a scratch that begin at one each.
template <typename T>
constexpr size_t lines_of(int64_t n) {
  constexpr size_t kLine = 64;
  return (static_cast<size_t>(n) * sizeof(T) + kLine - 1) / kLine * kLine;
}

// What a thread works in.
struct Desk {
  float* panel;          // [kPanelRows][kPanelCols], or kInt8PanelBytes
  float* sums;           // [kSums]
  Int8Stretch* rounded;  // [kPassRows][kDeskStretches]
  uint16_t* bf16;        // [kDeskBf16], rows of x as products of bf16 want them

  static constexpr int64_t kSums = int64_t{64} << 10;  // a quarter of a small L2 cache

  // With `sums` behind it, for who has no sums there.
  uint16_t* e4m3_panel() const { return reinterpret_cast<uint16_t*>(panel); }
};
inline constexpr int64_t kDeskStretches = 4;
inline constexpr int64_t kDeskBf16 = 1 << 18;

class Workers {
 public:
  Workers(std::shared_ptr<Executor> executor, Kernels kernels)
      : executor_(std::move(executor)),
        kernels_(kernels),
        count_(std::max(1, executor_->thread_count())),
        shares_(std::make_unique<Share[]>(static_cast<size_t>(count_))) {}

  // Sees to it that everyone has a desk.
  absl::Status furnish(Memory& memory) {
    if (desks_.size() > 0) return absl::OkStatus();
    HADAL_ASSIGN_OR_RETURN(desks_, memory.allocate(desk_bytes(), MemoryTag::kScratch));
    return absl::OkStatus();
  }

  size_t desk_bytes() const { return static_cast<size_t>(count_) * kDeskFloats * sizeof(float); }

  const Kernels& kernels() const { return kernels_; }
  int count() const { return count_; }
  Desk desk(int worker) const {
    float* first = desks_.floats() + static_cast<size_t>(worker) * kDeskFloats;
    float* rounded = first + kPanelFloats + kSumFloats;
    return {first, first + kPanelFloats, reinterpret_cast<Int8Stretch*>(rounded),
            reinterpret_cast<uint16_t*>(rounded + kRoundedFloats)};
  }

  // Calls body(worker, item) for every item; no two calls at once have the same worker. Each has a
  // stretch of neighbours to go through, so that what it fetches ahead is what it works on next;
  // whoever is done helps another from the end. No result may depend on who does what.
  template <class Body>
  void for_each(int64_t n_items, Body&& body) {
    if (n_items <= 0) return;
    HADAL_CHECK(n_items <= UINT32_MAX);
    const auto n_workers = static_cast<size_t>(std::min<int64_t>(count_, n_items));
    const auto first_of = [&](size_t worker) {
      return static_cast<uint64_t>(n_items) * worker / n_workers;
    };
    for (size_t w = 0; w < n_workers; ++w)
      shares_[w].rest.store(first_of(w) << 32 | first_of(w + 1), std::memory_order_relaxed);
    executor_->parallel_for(n_workers, [&](size_t worker) {
      for (size_t i = 0; i < n_workers; ++i) {
        Share& share = shares_[(worker + i) % n_workers];
        for (int64_t item; (item = i == 0 ? share.take_first() : share.take_last()) >= 0;)
          body(static_cast<int>(worker), item);
      }
    });
  }

  // How many neighbours of n make an item, if `cost` is what one of them costs in multiplications:
  // a multiple of `step`, several items a thread, none too small to be worth waking one.
  int64_t grain(int64_t n, int64_t cost, int64_t step) const {
    constexpr int64_t kWorthWaking = 1 << 16;
    const int64_t fair = n / (16 * count_);
    const int64_t least = kWorthWaking / std::max<int64_t>(1, cost);
    const int64_t wanted = std::max(step, count_ == 1 ? n : std::max(fair, least));
    return (wanted + step - 1) / step * step;
  }

  // for_each over the neighbours 0 to n, an item at a time: body(worker, first, count).
  template <class Body>
  void for_each_range(int64_t n, int64_t grain, Body&& body) {
    for_each((n + grain - 1) / grain, [&](int worker, int64_t item) {
      const int64_t first = item * grain;
      body(worker, first, std::min(grain, n - first));
    });
  }

 private:
  // The items of a worker that nobody has taken: the first << 32 | the one after the last.
  struct alignas(64) Share {
    std::atomic<uint64_t> rest{0};

    int64_t take_first() {
      uint64_t r = rest.load(std::memory_order_relaxed);
      while (r >> 32 < (r & UINT32_MAX)) {
        if (rest.compare_exchange_weak(r, r + (uint64_t{1} << 32), std::memory_order_relaxed))
          return static_cast<int64_t>(r >> 32);
      }
      return -1;
    }
    int64_t take_last() {
      uint64_t r = rest.load(std::memory_order_relaxed);
      while (r >> 32 < (r & UINT32_MAX)) {
        if (rest.compare_exchange_weak(r, r - 1, std::memory_order_relaxed))
          return static_cast<int64_t>((r & UINT32_MAX) - 1);
      }
      return -1;
    }
  };

  static constexpr size_t kPanelFloats = kPanelRows * kPanelCols;
  static constexpr size_t kSumFloats = static_cast<size_t>(Desk::kSums);
  static_assert(kSumFloats >= static_cast<size_t>(kPassRows) * kPanelRows * kLanes &&
                kSumFloats >= static_cast<size_t>(kInt8PassRows * kInt8Rows));
  static constexpr size_t kRoundedFloats =
      static_cast<size_t>(kPassRows * kDeskStretches) * sizeof(Int8Stretch) / sizeof(float);
  static constexpr size_t kBf16Floats =
      static_cast<size_t>(kDeskBf16) * sizeof(uint16_t) / sizeof(float);
  static constexpr size_t kDeskFloats = kPanelFloats + kSumFloats + kRoundedFloats + kBf16Floats;
  static_assert((kPanelFloats + kSumFloats) * sizeof(float) >=
                kE4m3PanelRows * kBf16Stretch * sizeof(uint16_t));

  Block desks_;
  std::shared_ptr<Executor> executor_;
  Kernels kernels_;
  int count_;
  std::unique_ptr<Share[]> shares_;
};

}  // namespace hadal::cpu
