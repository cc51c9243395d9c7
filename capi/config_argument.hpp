// A config given to a function: NULL means defaults. It is read here and never kept.
#pragma once

#include "capi/guard.hpp"

namespace hadal::capi {

// The options of a config that nobody else may be changing meanwhile.
inline absl::StatusOr<Config> config_in(const hadal_config* config) {
  if (config == nullptr) return Config();
  HADAL_RETURN_IF_ERROR(check_pointer(config, hadal_config::kKind));
  // Reading counts as use: a thread that sets options at this moment has broken the rule.
  const Claim claim(*const_cast<hadal_config*>(config));
  HADAL_RETURN_IF_ERROR(claim.status());
  return config->impl;
}

}  // namespace hadal::capi
