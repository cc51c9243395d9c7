// Knows whether this process is the one that made it: a forked child has none of our threads, and
// what it inherited must not be touched.
#pragma once

#include <memory>

namespace hadal {

class ForkGuard {
 public:
  ForkGuard();
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  // No system call: reads one byte that the system wipes in a child.
  bool in_forked_child() const { return page_ != nullptr && *page_ == 0; }

 private:
  volatile unsigned char* page_ = nullptr;  // null where the system cannot do it
};

}  // namespace hadal
