// A config given to a function: NULL means defaults. It is read here and never kept.
#pragma once

#include "capi/guard.hpp"

namespace hadal::capi {

// The options of a config. Several threads may make things from one config at a time.
inline absl::StatusOr<Config> config_in(const hadal_config* config) {
  if (config == nullptr) return Config();
  HADAL_RETURN_IF_ERROR(check_pointer(config, hadal_config::kKind));
  // A thread that sets options at this moment has broken the rule.
  const Claim claim(*const_cast<hadal_config*>(config), Claim::For::kRead);
  HADAL_RETURN_IF_ERROR(claim.status());
  return config->impl;
}

}  // namespace hadal::capi
