// Functions without a handle: versions, names of statuses, the table of options.
#include "capi/arguments.hpp"
#include "capi/guard.hpp"

using hadal::capi::guard_new;

uint32_t hadal_abi_version(void) { return HADAL_ABI_VERSION; }

#define HADAL_TEXT_OF(x) #x
#define HADAL_NUMBER_TEXT(x) HADAL_TEXT_OF(x)
#if defined(__clang__)
#define HADAL_COMPILER "clang " HADAL_NUMBER_TEXT(__clang_major__)
#elif defined(__GNUC__)
#define HADAL_COMPILER "gcc " HADAL_NUMBER_TEXT(__GNUC__)
#else
#define HADAL_COMPILER "unknown"
#endif
#if defined(__x86_64__)
#define HADAL_ISA_LIST "\"scalar\", \"avx2\", \"avx_vnni\", \"avx512\""
#elif defined(__aarch64__)
#define HADAL_ISA_LIST "\"scalar\", \"neon\""
#else
#define HADAL_ISA_LIST "\"scalar\""
#endif

const char* hadal_build_info(void) {
  return "{\"version\": \"" HADAL_VERSION_STRING "\", \"compiler\": \"" HADAL_COMPILER
         "\", \"backends\": [\"cpu\", \"reference\"], \"cpu_isa\": [" HADAL_ISA_LIST
         "], \"formats\": [\"gguf\", \"safetensors\"]}";
}

const char* hadal_status_name(hadal_status status) { return hadal::status_name(status); }

hadal_status hadal_option_find(const char* name, size_t name_size, int32_t* key,
                               hadal_error** error) {
  return guard_new(error, [&]() -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const absl::string_view text,
                           hadal::capi::text_in("name", name, name_size));
    HADAL_RETURN_IF_ERROR(hadal::capi::require("key", key));
    const hadal::OptionInfo* option = hadal::find_option(text);
    if (option == nullptr) {
      return hadal::fail(HADAL_E_NOT_FOUND, absl::StrCat("there is no option named ", text),
                         "Names are those of the HADAL_OPT_ constants, in lower case.");
    }
    *key = option->key;
    return absl::OkStatus();
  });
}

hadal_status hadal_option_describe(int32_t key, hadal_option_desc* out, hadal_error** error) {
  return guard_new(error, [&]() -> absl::Status {
    const hadal::OptionInfo* option = hadal::find_option(key);
    if (option == nullptr) {
      return hadal::fail(HADAL_E_NOT_FOUND, absl::StrCat("there is no option with the key ", key),
                         "Take a HADAL_OPT_ constant of hadal.h.");
    }
    hadal_option_desc desc = {};
    desc.key = option->key;
    desc.type = option->type;
    desc.scope = option->scope;
    desc.since = HADAL_ABI_VERSION;
    desc.min_i64 = option->min_i64;
    desc.max_i64 = option->max_i64;
    desc.default_i64 = option->default_i64;
    desc.min_f64 = option->min_f64;
    desc.max_f64 = option->max_f64;
    desc.default_f64 = option->default_f64;
    desc.name = option->name;
    desc.default_str = option->default_str;
    desc.summary = option->summary;
    return hadal::capi::struct_out("out", desc, out);
  });
}
