#include "lib/base/status.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace hadal {
namespace {

// message, hint, code and error number, parted by the unit separator, which no text of ours holds.
constexpr char kSeparator = '\x1f';

absl::StatusCode absl_code(hadal_status code) {
  switch (code) {
    case HADAL_E_INVALID_ARGUMENT:
    case HADAL_E_UNKNOWN_OPTION:
    case HADAL_E_BAD_HANDLE: return absl::StatusCode::kInvalidArgument;
    case HADAL_E_OUT_OF_RANGE:
    case HADAL_E_BUFFER_TOO_SMALL: return absl::StatusCode::kOutOfRange;
    case HADAL_E_NOT_FOUND: return absl::StatusCode::kNotFound;
    case HADAL_E_FORMAT: return absl::StatusCode::kDataLoss;
    case HADAL_E_UNSUPPORTED: return absl::StatusCode::kUnimplemented;
    case HADAL_E_LIMIT:
    case HADAL_E_BUDGET:
    case HADAL_E_NO_MEMORY:
    case HADAL_E_NO_SPACE:
    case HADAL_E_CONTEXT_FULL: return absl::StatusCode::kResourceExhausted;
    case HADAL_E_CANCELLED: return absl::StatusCode::kCancelled;
    case HADAL_E_IO:
    case HADAL_E_DEVICE:
    case HADAL_E_DEVICE_LOST:
    case HADAL_E_BUSY: return absl::StatusCode::kUnavailable;
    default: return absl::StatusCode::kInternal;
  }
}

// Field n of the four; empty if the status was not made by fail().
absl::string_view field(const absl::Status& status, int n) {
  absl::string_view text = status.message();
  for (int i = 0; i < n; ++i) {
    const size_t at = text.find(kSeparator);
    if (at == absl::string_view::npos) return {};
    text.remove_prefix(at + 1);
  }
  return text.substr(0, text.find(kSeparator));
}

int number(absl::string_view text, int otherwise) {
  int value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Texts may quote names from a file; the separator must stay ours.
std::string without_separator(absl::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c == kSeparator) c = '?';
  }
  return out;
}

}  // namespace

absl::Status fail(hadal_status code, absl::string_view message, absl::string_view hint,
                  int os_error) {
  const std::string separator(1, kSeparator);
  return absl::Status(absl_code(code),
                      absl::StrCat(without_separator(message), separator, without_separator(hint),
                                   separator, code, separator, os_error));
}

hadal_status code_of(const absl::Status& status) {
  if (status.ok()) return HADAL_OK;
  return number(field(status, 2), HADAL_E_INTERNAL);
}

std::string message_of(const absl::Status& status) { return std::string(field(status, 0)); }
std::string hint_of(const absl::Status& status) { return std::string(field(status, 1)); }
int os_error_of(const absl::Status& status) { return number(field(status, 3), 0); }

absl::Status prefix(absl::string_view context, const absl::Status& status) {
  if (status.ok()) return status;
  return fail(code_of(status), absl::StrCat(context, ": ", message_of(status)), hint_of(status),
              os_error_of(status));
}

const char* status_name(hadal_status code) {
  switch (code) {
    case HADAL_OK: return "OK";
    case HADAL_PENDING: return "PENDING";
    case HADAL_EVENT: return "EVENT";
    case HADAL_DONE: return "DONE";
    case HADAL_E_INVALID_ARGUMENT: return "E_INVALID_ARGUMENT";
    case HADAL_E_BAD_HANDLE: return "E_BAD_HANDLE";
    case HADAL_E_UNKNOWN_OPTION: return "E_UNKNOWN_OPTION";
    case HADAL_E_OUT_OF_RANGE: return "E_OUT_OF_RANGE";
    case HADAL_E_BUFFER_TOO_SMALL: return "E_BUFFER_TOO_SMALL";
    case HADAL_E_NOT_FOUND: return "E_NOT_FOUND";
    case HADAL_E_IO: return "E_IO";
    case HADAL_E_NO_SPACE: return "E_NO_SPACE";
    case HADAL_E_FORMAT: return "E_FORMAT";
    case HADAL_E_UNSUPPORTED: return "E_UNSUPPORTED";
    case HADAL_E_LIMIT: return "E_LIMIT";
    case HADAL_E_BUDGET: return "E_BUDGET";
    case HADAL_E_NO_MEMORY: return "E_NO_MEMORY";
    case HADAL_E_CONTEXT_FULL: return "E_CONTEXT_FULL";
    case HADAL_E_DEVICE: return "E_DEVICE";
    case HADAL_E_DEVICE_LOST: return "E_DEVICE_LOST";
    case HADAL_E_CANCELLED: return "E_CANCELLED";
    case HADAL_E_BUSY: return "E_BUSY";
    case HADAL_E_VERSION: return "E_VERSION";
    case HADAL_E_INTERNAL: return "E_INTERNAL";
    default: return "E_?";
  }
}

InternalError::InternalError(const char* condition, const char* file, int line) {
  // Built by hand: reporting a bug must neither allocate nor fail.
  const char* parts[] = {file, ":", nullptr, ": broken invariant: ", condition};
  char digits[16] = {};
  std::to_chars(digits, digits + sizeof digits - 1, line);
  parts[2] = digits;
  size_t used = 0;
  for (const char* part : parts) {
    const size_t n = std::min(std::strlen(part), sizeof text_ - 1 - used);
    std::memcpy(text_ + used, part, n);
    used += n;
  }
  text_[used] = '\0';
}

void throw_internal_error(const char* condition, const char* file, int line) {
  throw InternalError(condition, file, line);
}

}  // namespace hadal
