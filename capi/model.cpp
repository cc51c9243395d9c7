// hadal_model: planning, loading, checking, metadata, the profile.
#include "capi/arguments.hpp"
#include "capi/config_argument.hpp"
#include "capi/guard.hpp"
#include "lib/session/load_request.hpp"
#include "lib/session/verify_request.hpp"

using hadal::capi::guard_any;

hadal_status hadal_model_plan(hadal_runtime* runtime, const char* path, size_t path_size,
                              const hadal_config* config, hadal_memory_plan* out,
                              hadal_error** error) {
  return guard_any(runtime, error, [&](hadal_runtime& r) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const absl::string_view where,
                           hadal::capi::text_in("path", path, path_size));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config options, hadal::capi::config_in(config));
    HADAL_ASSIGN_OR_RETURN(const hadal::ModelOptions model_options,
                           hadal::model_options(*r.impl, options));
    HADAL_ASSIGN_OR_RETURN(const hadal::MemoryPlan plan,
                           hadal::plan_memory(r.impl->resources(), where, model_options));
    hadal_memory_plan result = {};
    result.host_weights = plan.host_weights;
    result.host_cache = plan.host_cache;
    result.host_scratch = plan.host_scratch;
    result.mapped = plan.mapped;
    result.host_minimum = plan.host_minimum;
    result.host_comfortable = plan.host_comfortable;
    return hadal::capi::struct_out("out", result, out);
  });
}

hadal_status hadal_model_load(hadal_runtime* runtime, const char* path, size_t path_size,
                              const hadal_config* config, hadal_request** out,
                              hadal_error** error) {
  return guard_any(runtime, error, [&](hadal_runtime& r) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view where,
                           hadal::capi::text_in("path", path, path_size));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config options, hadal::capi::config_in(config));
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<hadal::Request> request,
                           hadal::LoadRequest::create(r.impl, where, options));
    *out = new hadal_request(std::move(request));
    return absl::OkStatus();
  });
}

hadal_status hadal_model_verify(hadal_runtime* runtime, const char* path, size_t path_size,
                                const hadal_config* config, hadal_request** out,
                                hadal_error** error) {
  return guard_any(runtime, error, [&](hadal_runtime& r) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view where,
                           hadal::capi::text_in("path", path, path_size));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config options, hadal::capi::config_in(config));
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<hadal::Request> request,
                           hadal::VerifyRequest::create(r.impl, where, options));
    *out = new hadal_request(std::move(request));
    return absl::OkStatus();
  });
}

const char* hadal_model_metadata(const hadal_model* model, const char* key, size_t key_size) {
  const char* found = nullptr;
  guard_any(model, nullptr, [&](const hadal_model& m) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const absl::string_view text,
                           hadal::capi::text_in("key", key, key_size));
    found = m.impl->model->metadata(text);
    return absl::OkStatus();
  });
  return found;
}

const char* hadal_model_profile(const hadal_model* model, size_t index, hadal_op_profile* out) {
  const char* found = nullptr;
  guard_any(model, nullptr, [&](const hadal_model& m) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require_struct("out", out));
    const std::optional<hadal::OpProfile> line = m.impl->model->profile(index);
    if (!line) return absl::OkStatus();
    hadal_op_profile result = {};
    result.calls = line->calls;
    result.ns = line->ns;
    result.bytes = line->bytes;
    result.multiplications = line->multiplications;
    HADAL_RETURN_IF_ERROR(hadal::capi::struct_out("out", result, out));
    found = line->name;
    return absl::OkStatus();
  });
  return found;
}

hadal_status hadal_model_tokenizer(hadal_model* model, hadal_tokenizer** out, hadal_error** error) {
  return guard_any(model, error, [&](hadal_model& m) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<const hadal::Tokenizer> tokenizer,
                           m.impl->model->tokenizer_if_any());
    *out = new hadal_tokenizer(std::move(tokenizer));
    return absl::OkStatus();
  });
}

void hadal_model_free(hadal_model* model) {
  if (hadal::capi::may_free(model)) delete model;
}
