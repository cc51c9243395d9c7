// hadal_runtime: the root.
#include "capi/arguments.hpp"
#include "capi/config_argument.hpp"
#include "capi/guard.hpp"

hadal_status hadal_runtime_create(const hadal_config* config, hadal_runtime** out,
                                  hadal_error** error) {
  return hadal::capi::guard_new(error, [&]() -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config options, hadal::capi::config_in(config));
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<hadal::Runtime> runtime,
                           hadal::Runtime::create(options));
    *out = new hadal_runtime(std::move(runtime));
    return absl::OkStatus();
  });
}

hadal_status hadal_runtime_stats(const hadal_runtime* runtime, hadal_stats* out,
                                 hadal_error** error) {
  return hadal::capi::guard_any(runtime, error, [&](const hadal_runtime& r) -> absl::Status {
    const hadal::Memory& memory = *r.impl->resources().memory;
    hadal_stats stats = {};
    stats.prompt_tokens = r.impl->prompt_tokens;
    stats.reused_tokens = r.impl->reused_tokens;
    stats.generated_tokens = r.impl->generated_tokens;
    stats.prefill_ns = r.impl->prefill_ns;
    stats.decode_ns = r.impl->decode_ns;
    stats.read_bytes = r.impl->read_bytes;
    stats.host_bytes = memory.live_bytes();
    stats.host_peak = memory.peak_bytes();
    return hadal::capi::struct_out("out", stats, out);
  });
}

void hadal_runtime_free(hadal_runtime* runtime) {
  if (hadal::capi::may_free(runtime)) delete runtime;
}
