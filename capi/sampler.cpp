// hadal_sampler: how to choose a token.
#include "lib/sampling/sampler.hpp"

#include "capi/arguments.hpp"
#include "capi/config_argument.hpp"
#include "capi/guard.hpp"
#include "lib/base/float_environment.hpp"
#include "lib/session/sampler_options.hpp"

hadal_status hadal_sampler_create(hadal_runtime* runtime, const hadal_config* config,
                                  hadal_sampler** out, hadal_error** error) {
  return hadal::capi::guard_any(runtime, error, [&](hadal_runtime& r) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config values, hadal::capi::config_in(config));
    HADAL_ASSIGN_OR_RETURN(hadal::SamplerOptions options, hadal::sampler_options(values));
    *out = new hadal_sampler(r.impl, std::move(options));
    return absl::OkStatus();
  });
}

hadal_status hadal_sampler_pick(const hadal_sampler* sampler, const hadal_session* history,
                                const float* logits, size_t n_logits, uint64_t draw, int32_t* token,
                                hadal_error** error) {
  return hadal::capi::guard_any(sampler, error, [&](const hadal_sampler& s) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("token", token));
    HADAL_ASSIGN_OR_RETURN(const std::span<const float> values,
                           hadal::capi::array_in("logits", logits, n_logits));
    std::vector<int32_t> tokens;
    std::vector<uint8_t> allowed;
    if (history != nullptr) {
      HADAL_RETURN_IF_ERROR(hadal::capi::check_pointer(history, hadal_session::kKind));
      tokens = history->impl->tokens();
      allowed = history->impl->model().sampled_rows();
      allowed.resize(n_logits, 0);
    }
    const hadal::DefaultFloatEnvironment environment;
    HADAL_ASSIGN_OR_RETURN(*token, s.impl.pick(values, tokens, allowed, draw));
    return absl::OkStatus();
  });
}

void hadal_sampler_free(hadal_sampler* sampler) {
  if (hadal::capi::may_free(sampler)) delete sampler;
}
