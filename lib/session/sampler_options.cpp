#include "lib/session/sampler_options.hpp"

#include <exception>
#include <random>

#include "absl/strings/str_cat.h"

namespace hadal {

absl::StatusOr<SamplerOptions> sampler_options(const Config& config) {
  HADAL_RETURN_IF_ERROR(config.require_scope(HADAL_SCOPE_SAMPLER));
  SamplerOptions o;
  o.temperature = config.f64(HADAL_OPT_TEMPERATURE);
  o.top_k = config.i64(HADAL_OPT_TOP_K);
  o.top_p = config.f64(HADAL_OPT_TOP_P);
  o.min_p = config.f64(HADAL_OPT_MIN_P);
  o.typical_p = config.f64(HADAL_OPT_TYPICAL_P);
  o.repetition_penalty = config.f64(HADAL_OPT_REPETITION_PENALTY);
  o.presence_penalty = config.f64(HADAL_OPT_PRESENCE_PENALTY);
  o.frequency_penalty = config.f64(HADAL_OPT_FREQUENCY_PENALTY);
  o.penalty_window = config.i64(HADAL_OPT_PENALTY_WINDOW);
  o.dry_multiplier = config.f64(HADAL_OPT_DRY_MULTIPLIER);
  o.dry_base = config.f64(HADAL_OPT_DRY_BASE);
  o.dry_allowed_length = config.i64(HADAL_OPT_DRY_ALLOWED_LENGTH);
  o.dry_window = config.i64(HADAL_OPT_DRY_WINDOW);
  o.xtc_probability = config.f64(HADAL_OPT_XTC_PROBABILITY);
  o.xtc_threshold = config.f64(HADAL_OPT_XTC_THRESHOLD);
  HADAL_ASSIGN_OR_RETURN(o.dry_breakers, parse_token_ids(config.str(HADAL_OPT_DRY_BREAKERS)));
  HADAL_ASSIGN_OR_RETURN(o.logit_bias, parse_logit_bias(config.str(HADAL_OPT_LOGIT_BIAS)));
  if (config.has(HADAL_OPT_SEED)) {
    o.seed = static_cast<uint64_t>(config.i64(HADAL_OPT_SEED));
  } else {
    try {
      std::random_device system;
      o.seed = (uint64_t{system()} << 32) | system();
    } catch (const std::exception& no_device) {
      return fail(HADAL_E_IO, absl::StrCat("asking the system for a seed: ", no_device.what()),
                  "Set the option seed.");
    }
  }
  return o;
}

}  // namespace hadal
