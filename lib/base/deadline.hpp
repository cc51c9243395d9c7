// A point in time up to which work may go on.
#pragma once

#include <chrono>
#include <cstdint>

namespace hadal {

inline uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

class Deadline {
 public:
  static Deadline never() { return Deadline(UINT64_MAX); }
  static Deadline after_ns(uint64_t budget_ns) {
    const uint64_t now = now_ns();
    return Deadline(budget_ns > UINT64_MAX - now ? UINT64_MAX : now + budget_ns);
  }

  bool is_finite() const { return at_ns_ != UINT64_MAX; }
  bool passed() const { return is_finite() && now_ns() >= at_ns_; }
  uint64_t remaining_ns() const {
    if (!is_finite()) return UINT64_MAX;
    const uint64_t now = now_ns();
    return now >= at_ns_ ? 0 : at_ns_ - now;
  }

 private:
  explicit Deadline(uint64_t at_ns) : at_ns_(at_ns) {}
  uint64_t at_ns_;
};

}  // namespace hadal
