// Arguments on their way in and out of the C interface: texts, arrays, structs.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "lib/base/status.hpp"
#include "lib/base/utf8.hpp"

namespace hadal::capi {

inline absl::Status null_argument(absl::string_view name) {
  return fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat(name, " is NULL"), "Give a valid pointer.");
}

template <class T>
absl::Status require(absl::string_view name, T* pointer) {
  return pointer != nullptr ? absl::OkStatus() : null_argument(name);
}

// Flags of a newer version are refused, not ignored.
inline absl::Status flags_in(int32_t flags, int32_t known) {
  if ((flags & ~known) == 0) return absl::OkStatus();
  return fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat("the flags ", flags, " hold unknown bits"),
              absl::StrCat("This function knows the bits ", known, "; see hadal.h."));
}

// (xs, n_xs) in: NULL is fine for none.
template <class T>
absl::StatusOr<std::span<const T>> array_in(absl::string_view name, const T* xs, size_t n) {
  if (xs == nullptr && n != 0) return null_argument(name);
  if (n > SIZE_MAX / 2 / sizeof(T)) {
    return fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat(name, " claims ", n, " elements"),
                "Sizes are unsigned: a negative number was probably cast.");
  }
  return std::span<const T>(xs, n);
}

// Any bytes.
inline absl::StatusOr<absl::string_view> bytes_in(absl::string_view name, const char* text,
                                                  size_t size) {
  HADAL_ASSIGN_OR_RETURN(const std::span<const char> bytes, array_in(name, text, size));
  return absl::string_view(bytes.data(), bytes.size());
}

// UTF-8.
inline absl::StatusOr<absl::string_view> text_in(absl::string_view name, const char* text,
                                                 size_t size) {
  HADAL_ASSIGN_OR_RETURN(const absl::string_view bytes, bytes_in(name, text, size));
  if (!is_utf8(bytes)) {
    return fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat(name, " is not UTF-8"),
                "Convert the text to UTF-8 first.");
  }
  return bytes;
}

// (xs, xs_cap, *n_xs) out: all of it, or the size that it needs and E_BUFFER_TOO_SMALL.
template <class T>
absl::Status array_out(absl::string_view name, std::span<const T> values, T* xs, size_t cap,
                       size_t* n_xs) {
  HADAL_RETURN_IF_ERROR(require(absl::StrCat("n_", name), n_xs));
  if (xs == nullptr && cap != 0) return null_argument(name);
  *n_xs = values.size();
  if (values.size() > cap) {
    return fail(HADAL_E_BUFFER_TOO_SMALL,
                absl::StrCat(name, " has room for ", cap, ", needed are ", values.size()),
                "Call again with a buffer of the size written.");
  }
  if (!values.empty()) std::memcpy(xs, values.data(), values.size_bytes());
  return absl::OkStatus();
}

// A struct that we are to write: NULL, or of a size that no version ever had?
template <class T>
absl::Status require_struct(absl::string_view name, const T* out) {
  HADAL_RETURN_IF_ERROR(require(name, out));
  constexpr uint32_t kFirstPublished = sizeof(T);  // freeze when a member is appended
  if (out->struct_size >= kFirstPublished && out->struct_size <= 65536) return absl::OkStatus();
  return fail(HADAL_E_INVALID_ARGUMENT,
              absl::StrCat(name, "->struct_size is ", out->struct_size, ", wanted at least ",
                           kFirstPublished),
              "Set struct_size to the sizeof of the struct before the call.");
}

// Writes as much of a struct as the host's version of it holds, and zeros beyond what we know.
template <class T>
absl::Status struct_out(absl::string_view name, T value, T* out) {
  static_assert(std::is_trivially_copyable_v<T>);
  HADAL_RETURN_IF_ERROR(require_struct(name, out));
  const uint32_t size = out->struct_size;
  value.struct_size = size;
  std::memset(static_cast<void*>(out), 0, size);
  std::memcpy(static_cast<void*>(out), &value, std::min<size_t>(size, sizeof value));
  return absl::OkStatus();
}

// A table of functions in: members that the host's version lacks count as absent; a tail that we do
// not know must be zero.
template <class T>
absl::StatusOr<T> table_in(absl::string_view name, const T* table) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (table == nullptr) return null_argument(name);
  const uint32_t size = table->struct_size;
  if (size < sizeof(uint32_t) * 2 || size > 65536) {
    return fail(HADAL_E_INVALID_ARGUMENT,
                absl::StrCat(name, "->struct_size is ", size, ", wanted ", sizeof(T)),
                "Set struct_size to the sizeof of the struct.");
  }
  const char* bytes = reinterpret_cast<const char*>(table);
  for (size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) {
      return fail(HADAL_E_VERSION,
                  absl::StrCat(name, " has members beyond byte ", sizeof(T),
                               " that this library does not know"),
                  "Use a newer library, or leave those members zero.");
    }
  }
  T copy = {};
  std::memcpy(static_cast<void*>(&copy), table, std::min<size_t>(size, sizeof copy));
  return copy;
}

}  // namespace hadal::capi
