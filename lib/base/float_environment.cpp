#include "lib/base/float_environment.hpp"

namespace hadal {

void set_default_float_environment() { std::fesetenv(FE_DFL_ENV); }

DefaultFloatEnvironment::DefaultFloatEnvironment() {
  std::fegetenv(&hosts_);
  std::fesetenv(FE_DFL_ENV);
}

DefaultFloatEnvironment::~DefaultFloatEnvironment() { std::fesetenv(&hosts_); }

}  // namespace hadal
