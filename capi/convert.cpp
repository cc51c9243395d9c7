// Conversions: planning, starting.
#include <limits>

#include "capi/arguments.hpp"
#include "capi/config_argument.hpp"
#include "capi/guard.hpp"
#include "lib/session/convert_request.hpp"

using hadal::capi::guard_any;

hadal_status hadal_convert_plan(hadal_runtime* runtime, const char* from, size_t from_size,
                                const char* to, size_t to_size, const hadal_config* config,
                                hadal_convert_sizes* out, hadal_error** error) {
  return guard_any(runtime, error, [&](hadal_runtime& r) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require_struct("out", out));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view source,
                           hadal::capi::text_in("from", from, from_size));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view target, hadal::capi::text_in("to", to, to_size));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config given, hadal::capi::config_in(config));
    HADAL_ASSIGN_OR_RETURN(const hadal::ConversionOptions options,
                           hadal::conversion_options(*r.impl, given));
    HADAL_ASSIGN_OR_RETURN(
        const hadal::ConversionSizes sizes,
        hadal::plan_conversion(hadal::conversion_tools(*r.impl), std::string(source),
                               std::string(target), options));
    hadal_convert_sizes result = {};
    result.read_bytes = sizes.read_bytes;
    result.write_bytes = sizes.write_bytes;
    result.free_bytes = sizes.free_bytes.value_or(std::numeric_limits<uint64_t>::max());
    result.largest_file_bytes = sizes.largest_file_bytes;
    result.work_bytes = sizes.work_bytes;
    result.files = sizes.files;
    result.tensors = sizes.tensors;
    result.encoded_tensors = sizes.types.encoded;
    result.substituted_tensors = sizes.types.substituted;
    result.requantised_tensors = sizes.types.requantised;
    return hadal::capi::struct_out("out", result, out);
  });
}

hadal_status hadal_convert(hadal_runtime* runtime, const char* from, size_t from_size,
                           const char* to, size_t to_size, const hadal_config* config,
                           hadal_request** out, hadal_error** error) {
  return guard_any(runtime, error, [&](hadal_runtime& r) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view source,
                           hadal::capi::text_in("from", from, from_size));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view target, hadal::capi::text_in("to", to, to_size));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config options, hadal::capi::config_in(config));
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<hadal::Request> request,
                           hadal::ConvertRequest::create(r.impl, source, target, options));
    *out = new hadal_request(std::move(request));
    return absl::OkStatus();
  });
}
