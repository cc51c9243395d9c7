// The one place where failures become status codes. Every function of the C interface that can fail
// is one call of guard(), guard_any() or guard_new(); nothing else in capi/ catches.
#pragma once

#include <hadal/hadal.h>

#include <exception>
#include <new>

#include "capi/handle.hpp"

namespace hadal::capi {

// Fill *error, if the caller wants one, and return the code that fail() gave the status. The texts
// are cut to fit an object made by one nothrow allocation; if that fails, *error becomes a static
// object that says so: reporting that memory ran out must not need memory.
hadal_status report(const absl::Status& status, hadal_error** error) noexcept;
hadal_status report(const absl::StatusOr<hadal_status>& result, hadal_error** error) noexcept;
hadal_status report_no_memory(hadal_error** error) noexcept;
hadal_status report_bug(const char* what, hadal_error** error) noexcept;

// Turns whatever body returns or throws into a status code. on_bug runs first if it was a bug.
template <class Body, class OnBug>
hadal_status guard_new(hadal_error** error, Body&& body, OnBug&& on_bug) noexcept {
  try {
    return report(body(), error);
  } catch (const std::bad_alloc&) {
    return report_no_memory(error);
  } catch (const std::exception& bug) {
    on_bug();
    return report_bug(bug.what(), error);
  } catch (...) {
    on_bug();
    return report_bug("unknown exception", error);
  }
}
// For functions without a handle, or with only a config.
template <class Body>
hadal_status guard_new(hadal_error** error, Body&& body) noexcept {
  return guard_new(error, body, [] {});
}

// Keeps a [one] handle for one caller at a time; or for several that only read it, while nobody
// changes it.
class Claim {
 public:
  enum class For { kChange, kRead };
  explicit Claim(Handle& handle, For purpose = For::kChange) : handle_(handle) {
    int32_t users = 0;
    do {
      if (purpose == For::kRead ? users == Handle::kAlone : users != 0) return;
      mine_ = purpose == For::kRead ? 1 : Handle::kAlone;
    } while (!handle.in_use.compare_exchange_weak(users, users + mine_, std::memory_order_acq_rel));
    has_ = true;
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() {
    if (has_) handle_.in_use.fetch_sub(mine_, std::memory_order_release);
  }
  absl::Status status() const {
    return has_ ? absl::OkStatus()
                : fail(HADAL_E_BUSY, "another thread is using the object",
                       "Calls tagged [one] take one thread at a time: wait, or use a lock.");
  }

 private:
  Handle& handle_;
  int32_t mine_ = 0;  // what in_use grew by
  bool has_ = false;
};

// Calls body(handle) on a handle tagged [any].
template <class H, class Body>
hadal_status guard_any(H* handle, hadal_error** error, Body&& body) noexcept {
  bool is_ours = false;
  return guard_new(
      error,
      [&]() -> absl::StatusOr<hadal_status> {
        HADAL_RETURN_IF_ERROR(check_pointer(handle, H::kKind));
        is_ours = true;
        HADAL_RETURN_IF_ERROR(check_handle(handle, H::kKind, handle->runtime()));
        if constexpr (std::is_same_v<decltype(body(*handle)), absl::Status>) {
          HADAL_RETURN_IF_ERROR(body(*handle));
          return HADAL_OK;
        } else {
          return body(*handle);
        }
      },
      [&] {
        if constexpr (!std::is_const_v<H>) {
          if (is_ours) handle->poisoned = true;
        }
      });
}

// Calls body(handle) on a handle tagged [one] while nobody else may use it.
template <class H, class Body>
hadal_status guard(H* handle, hadal_error** error, Body&& body) noexcept {
  return guard_any(handle, error, [&](H& h) -> absl::StatusOr<hadal_status> {
    const Claim claim(h);
    HADAL_RETURN_IF_ERROR(claim.status());
    if constexpr (std::is_same_v<decltype(body(h)), absl::Status>) {
      HADAL_RETURN_IF_ERROR(body(h));
      return HADAL_OK;
    } else {
      return body(h);
    }
  });
}

// Whether _free may delete it: not NULL, and not inherited by a forked child, where joining threads
// would hang. Needs no memory: hosts free what they have, and NULL, when there is none left.
template <class H>
bool may_free(H* handle) noexcept {
  if (!is_handle(handle, H::kKind)) return false;
  return handle->runtime() == nullptr || !handle->runtime()->in_forked_child();
}

}  // namespace hadal::capi
