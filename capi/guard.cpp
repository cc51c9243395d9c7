#include "capi/guard.hpp"

#include <algorithm>
#include <cstring>

#include "lib/base/utf8.hpp"

// One allocation: the texts follow the head.
struct hadal_error {
  hadal_status code;
  int32_t os_error;
  const char* message;
  const char* hint;
};

namespace hadal::capi {
namespace {

constinit const hadal_error kNoMemory = {HADAL_E_NO_MEMORY, 0, "out of host memory",
                                         "Free memory and try again, or use a smaller context."};

bool may_retry(hadal_status code) {
  switch (code) {
    case HADAL_E_IO:
    case HADAL_E_NO_SPACE:
    case HADAL_E_BUDGET:
    case HADAL_E_NO_MEMORY:
    case HADAL_E_DEVICE:
    case HADAL_E_CANCELLED:
    case HADAL_E_BUSY: return true;
    default: return false;
  }
}

void make_error(hadal_status code, int32_t os_error, absl::string_view message,
                absl::string_view hint, hadal_error** error) noexcept {
  if (error == nullptr) return;
  const size_t size = sizeof(hadal_error) + message.size() + hint.size() + 2;
  void* memory = ::operator new(size, std::nothrow);
  if (memory == nullptr) {
    *error = const_cast<hadal_error*>(&kNoMemory);
    return;
  }
  char* texts = static_cast<char*>(memory) + sizeof(hadal_error);
  std::memcpy(texts, message.data(), message.size());
  texts[message.size()] = '\0';
  char* hint_text = texts + message.size() + 1;
  std::memcpy(hint_text, hint.data(), hint.size());
  hint_text[hint.size()] = '\0';
  *error = new (memory) hadal_error{code, os_error, texts, hint_text};
}

}  // namespace

hadal_status report(const absl::Status& status, hadal_error** error) noexcept {
  if (status.ok()) return HADAL_OK;
  try {
    // Names and keys of a file may hold any bytes; what we hand out is UTF-8.
    make_error(code_of(status), os_error_of(status), to_utf8(message_of(status)),
               to_utf8(hint_of(status)), error);
  } catch (...) {
    if (error != nullptr) *error = const_cast<hadal_error*>(&kNoMemory);
  }
  return code_of(status);
}

hadal_status report(const absl::StatusOr<hadal_status>& result, hadal_error** error) noexcept {
  return result.ok() ? *result : report(result.status(), error);
}

hadal_status report_no_memory(hadal_error** error) noexcept {
  if (error != nullptr) *error = const_cast<hadal_error*>(&kNoMemory);
  return HADAL_E_NO_MEMORY;
}

hadal_status report_bug(const char* what, hadal_error** error) noexcept {
  make_error(HADAL_E_INTERNAL, 0, what,
             "This is a bug of hadal: please report it. Free the object.", error);
  return HADAL_E_INTERNAL;
}

}  // namespace hadal::capi

extern "C" {

int32_t hadal_error_code(const hadal_error* error) { return error != nullptr ? error->code : 0; }
int32_t hadal_error_errno(const hadal_error* error) {
  return error != nullptr ? error->os_error : 0;
}
int32_t hadal_error_retry(const hadal_error* error) {
  return error != nullptr && hadal::capi::may_retry(error->code) ? 1 : 0;
}
const char* hadal_error_message(const hadal_error* error) {
  return error != nullptr ? error->message : "";
}
const char* hadal_error_hint(const hadal_error* error) {
  return error != nullptr ? error->hint : "";
}
void hadal_error_free(hadal_error* error) {
  if (error != nullptr && error != &hadal::capi::kNoMemory) ::operator delete(error);
}

}  // extern "C"
