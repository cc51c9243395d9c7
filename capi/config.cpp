// hadal_config: a bag of options and host tables.
#include "capi/arguments.hpp"
#include "capi/guard.hpp"

using hadal::capi::guard;
using hadal::capi::guard_new;

namespace {

template <class T>
absl::Status require_function(const char* name, T function) {
  if (function != nullptr) return absl::OkStatus();
  return hadal::fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat("the table lacks ", name),
                     "Set the member, and struct_size to the sizeof of the table.");
}

}  // namespace

hadal_status hadal_config_create(hadal_config** out, hadal_error** error) {
  return guard_new(error, [&]() -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    *out = new hadal_config();
    return absl::OkStatus();
  });
}

hadal_status hadal_config_set_i64(hadal_config* config, int32_t key, int64_t value,
                                  hadal_error** error) {
  return guard(config, error, [&](hadal_config& c) { return c.impl.set_i64(key, value); });
}

hadal_status hadal_config_set_f64(hadal_config* config, int32_t key, double value,
                                  hadal_error** error) {
  return guard(config, error, [&](hadal_config& c) { return c.impl.set_f64(key, value); });
}

hadal_status hadal_config_set_str(hadal_config* config, int32_t key, const char* text,
                                  size_t text_size, hadal_error** error) {
  return guard(config, error, [&](hadal_config& c) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const absl::string_view value,
                           hadal::capi::text_in("text", text, text_size));
    return c.impl.set_str(key, value);
  });
}

hadal_status hadal_config_set_allocator(hadal_config* config, const hadal_allocator* vtable,
                                        hadal_error** error) {
  return guard(config, error, [&](hadal_config& c) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const hadal_allocator table, hadal::capi::table_in("vtable", vtable));
    HADAL_RETURN_IF_ERROR(require_function("allocate", table.allocate));
    HADAL_RETURN_IF_ERROR(require_function("release", table.release));
    c.impl.allocator = hadal::share_table(table);
    return absl::OkStatus();
  });
}

hadal_status hadal_config_set_executor(hadal_config* config, const hadal_executor* vtable,
                                       hadal_error** error) {
  return guard(config, error, [&](hadal_config& c) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const hadal_executor table, hadal::capi::table_in("vtable", vtable));
    HADAL_RETURN_IF_ERROR(require_function("thread_count", table.thread_count));
    HADAL_RETURN_IF_ERROR(require_function("parallel_for", table.parallel_for));
    c.impl.executor = hadal::share_table(table);
    return absl::OkStatus();
  });
}

hadal_status hadal_config_set_io(hadal_config* config, const hadal_io* vtable,
                                 hadal_error** error) {
  return guard(config, error, [&](hadal_config& c) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const hadal_io table, hadal::capi::table_in("vtable", vtable));
    HADAL_RETURN_IF_ERROR(require_function("open", table.open));
    HADAL_RETURN_IF_ERROR(require_function("size", table.size));
    HADAL_RETURN_IF_ERROR(require_function("read_at", table.read_at));
    HADAL_RETURN_IF_ERROR(require_function("close", table.close));
    c.impl.io = hadal::share_table(table);
    return absl::OkStatus();
  });
}

hadal_status hadal_config_set_log_sink(hadal_config* config, const hadal_log_sink* vtable,
                                       hadal_error** error) {
  return guard(config, error, [&](hadal_config& c) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const hadal_log_sink table, hadal::capi::table_in("vtable", vtable));
    HADAL_RETURN_IF_ERROR(require_function("write", table.write));
    c.impl.log_sink = hadal::share_table(table);
    return absl::OkStatus();
  });
}

void hadal_config_free(hadal_config* config) {
  if (hadal::capi::may_free(config)) delete config;
}
