// Sums come out the same whatever rounding mode the host has set, or whether it flushes small
// numbers to zero as games do: work happens in the default floating-point environment, and the host
// gets its own back, exception flags included.
#pragma once

#include <cfenv>

namespace hadal {

// For a thread of ours: not what the thread that made it had.
void set_default_float_environment();

// For a while on a thread that may be the host's.
class DefaultFloatEnvironment {
 public:
  DefaultFloatEnvironment();
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;
  ~DefaultFloatEnvironment();

 private:
  std::fenv_t hosts_;
};

}  // namespace hadal
