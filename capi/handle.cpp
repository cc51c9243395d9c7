#include "capi/handle.hpp"

#ifdef HADAL_CHECKED_HANDLES
#include <mutex>
#include <unordered_map>
#endif

namespace hadal::capi {

#ifdef HADAL_CHECKED_HANDLES
namespace {

// All handles that live. The only mutable global there is, and only in checked builds; made at the
// first handle, so that loading the library still runs no code of ours.
struct Registry {
  std::mutex mutex;
  std::unordered_map<const void*, Kind>* live = nullptr;
};
constinit Registry registry;

void enter(const Handle* handle, Kind kind) {
  const std::lock_guard<std::mutex> lock(registry.mutex);
  if (registry.live == nullptr) registry.live = new std::unordered_map<const void*, Kind>();
  registry.live->emplace(handle, kind);
}

void leave(const Handle* handle) {
  const std::lock_guard<std::mutex> lock(registry.mutex);
  registry.live->erase(handle);
  if (registry.live->empty()) {
    delete registry.live;
    registry.live = nullptr;
  }
}

bool lives(const void* handle, Kind kind) {
  const std::lock_guard<std::mutex> lock(registry.mutex);
  if (registry.live == nullptr) return false;
  const auto place = registry.live->find(handle);
  return place != registry.live->end() && place->second == kind;
}

}  // namespace

Handle::Handle(Kind k) : kind(k) { enter(this, k); }
Handle::~Handle() { leave(this); }
#else
Handle::Handle(Kind k) : kind(k) {}
Handle::~Handle() = default;
#endif

namespace {

const char* name_of(Kind kind) {
  constexpr const char* kNames[] = {"runtime", "config",  "model",  "tokenizer",
                                    "sampler", "session", "request"};
  return kNames[static_cast<uint32_t>(kind)];
}

}  // namespace

bool is_handle(const void* handle, [[maybe_unused]] Kind kind) noexcept {
#ifdef HADAL_CHECKED_HANDLES
  return handle != nullptr && lives(handle, kind);
#else
  return handle != nullptr;
#endif
}

absl::Status check_pointer(const void* handle, Kind kind) {
  if (handle == nullptr) {
    return fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat("the ", name_of(kind), " is NULL"),
                "Check the status of the call that should have made it.");
  }
  if (!is_handle(handle, kind)) {
    return fail(HADAL_E_BAD_HANDLE,
                absl::StrCat("the pointer given as a ", name_of(kind), " is none that lives"),
                "It was freed, is of another type, or was never made by hadal.");
  }
  return absl::OkStatus();
}

absl::Status check_handle(const Handle* handle, Kind kind, const Runtime* runtime) {
  if (runtime != nullptr && runtime->in_forked_child()) {
    return fail(HADAL_E_BUSY, absl::StrCat("the ", name_of(kind), " belongs to the parent process"),
                "After fork() a child may only exec or _exit: use hadal in one of them.");
  }
  if (handle->poisoned.load(std::memory_order_acquire)) {
    return fail(HADAL_E_INTERNAL,
                absl::StrCat("a bug of hadal has poisoned this ", name_of(kind), " earlier"),
                "Free it; please report the first error.");
  }
  return absl::OkStatus();
}

}  // namespace hadal::capi
