// Sums come out the same whatever rounding mode the host has set, or whether it flushes small
// numbers to zero as games do: work happens in the default floating-point environment, and the host
// gets its own back, exception flags included.
#pragma once

#include <cfenv>

namespace hadal {

class DefaultFloatEnvironment {
 public:
  DefaultFloatEnvironment() {
    std::fegetenv(&hosts_);
    std::fesetenv(FE_DFL_ENV);
  }
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;
  ~DefaultFloatEnvironment() { std::fesetenv(&hosts_); }

 private:
  std::fenv_t hosts_;
};

}  // namespace hadal
