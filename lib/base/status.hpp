// The door to absl::Status: a failure inside carries what the C interface promises about it, a code
// of hadal.h, a message (what and where), a hint (what to do) and the system's error number.
//
// They travel in the message of the absl::Status, parted by a control character, and not in its
// payloads: those are Cords, which now and then take a Mutex that an unloadable library must avoid.
#pragma once

#include <hadal/hadal.h>

#include <exception>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace hadal {

// A failure with a code of hadal.h. `hint` says what the caller can do; say kNoHint where there is
// nothing. os_error is errno's value where a system call failed.
inline constexpr absl::string_view kNoHint = "";
absl::Status fail(hadal_status code, absl::string_view message, absl::string_view hint,
                  int os_error = 0);

// What fail() was given. For a status not made by fail(): E_INTERNAL, its message, no hint.
hadal_status code_of(const absl::Status& status);
std::string message_of(const absl::Status& status);
std::string hint_of(const absl::Status& status);
int os_error_of(const absl::Status& status);

// The same failure with `context` and ": " in front of its message.
absl::Status prefix(absl::string_view context, const absl::Status& status);

// "E_FORMAT"; "E_?" for a number that is no status.
const char* status_name(hadal_status code);

// A broken invariant of ours. The only exception hadal throws; guard() turns it into E_INTERNAL.
class InternalError : public std::exception {
 public:
  InternalError(const char* condition, const char* file, int line);
  const char* what() const noexcept override { return text_; }

 private:
  char text_[256];
};
[[noreturn]] void throw_internal_error(const char* condition, const char* file, int line);

}  // namespace hadal

// Checked in every build.
#define HADAL_CHECK(condition)                                                       \
  do {                                                                               \
    if (!(condition)) ::hadal::throw_internal_error(#condition, __FILE__, __LINE__); \
  } while (false)

#define HADAL_RETURN_IF_ERROR(expression)                                                       \
  do {                                                                                          \
    if (::absl::Status hadal_status_ = (expression); !hadal_status_.ok()) return hadal_status_; \
  } while (false)

#define HADAL_CONCAT_INNER(a, b) a##b
#define HADAL_CONCAT(a, b) HADAL_CONCAT_INNER(a, b)
#define HADAL_ASSIGN_OR_RETURN_INNER(temporary, target, expression) \
  auto temporary = (expression);                                    \
  if (!temporary.ok()) return std::move(temporary).status();        \
  target = *std::move(temporary)
// HADAL_ASSIGN_OR_RETURN(Type name, expression_that_is_a_StatusOr);
#define HADAL_ASSIGN_OR_RETURN(target, expression) \
  HADAL_ASSIGN_OR_RETURN_INNER(HADAL_CONCAT(hadal_or_, __LINE__), target, expression)
