// What stands behind the pointers of hadal.h: a small head that tells one kind from another, says
// who is using it, and whether a bug has poisoned it; and the object itself.
#pragma once

#include <hadal/hadal.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "lib/base/status.hpp"
#include "lib/sampling/sampler.hpp"
#include "lib/session/options.hpp"
#include "lib/session/request.hpp"
#include "lib/session/runtime.hpp"
#include "lib/session/session.hpp"

namespace hadal::capi {

enum class Kind : uint32_t { kRuntime, kConfig, kModel, kTokenizer, kSampler, kSession, kRequest };

struct Handle {
  explicit Handle(Kind k);
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle();

  const Kind kind;
  // Calls that use it: 0, kAlone, or how many read it at once (a config, given to several makers).
  static constexpr int32_t kAlone = -1;
  std::atomic<int32_t> in_use{0};
  std::atomic<bool> poisoned{false};
};

// NULL, freed or foreign (in checked builds), poisoned, or inherited by a forked child: a status.
absl::Status check_handle(const Handle* handle, Kind kind, const Runtime* runtime);

// Whether the pointer may be looked into at all: it is not NULL and, in checked builds, one of ours
// of this kind that lives.
bool is_handle(const void* handle, Kind kind) noexcept;
absl::Status check_pointer(const void* handle, Kind kind);

}  // namespace hadal::capi

// The types of hadal.h. `runtime()` is what a fork check asks; a config belongs to none.
struct hadal_config : hadal::capi::Handle {
  static constexpr auto kKind = hadal::capi::Kind::kConfig;
  hadal_config() : Handle(kKind) {}
  const hadal::Runtime* runtime() const { return nullptr; }
  hadal::Config impl;
};

struct hadal_runtime : hadal::capi::Handle {
  static constexpr auto kKind = hadal::capi::Kind::kRuntime;
  explicit hadal_runtime(std::shared_ptr<hadal::Runtime> r) : Handle(kKind), impl(std::move(r)) {}
  const hadal::Runtime* runtime() const { return impl.get(); }
  std::shared_ptr<hadal::Runtime> impl;
};

struct hadal_model : hadal::capi::Handle {
  static constexpr auto kKind = hadal::capi::Kind::kModel;
  explicit hadal_model(std::shared_ptr<hadal::ServedModel> m) : Handle(kKind), impl(std::move(m)) {}
  const hadal::Runtime* runtime() const { return impl->runtime.get(); }
  std::shared_ptr<hadal::ServedModel> impl;
};

struct hadal_tokenizer : hadal::capi::Handle {
  static constexpr auto kKind = hadal::capi::Kind::kTokenizer;
  explicit hadal_tokenizer(std::shared_ptr<const hadal::Tokenizer> t)
      : Handle(kKind), impl(std::move(t)) {}
  const hadal::Runtime* runtime() const { return nullptr; }  // plain data: fit for a child as well
  std::shared_ptr<const hadal::Tokenizer> impl;
};

struct hadal_sampler : hadal::capi::Handle {
  static constexpr auto kKind = hadal::capi::Kind::kSampler;
  hadal_sampler(std::shared_ptr<hadal::Runtime> r, hadal::SamplerOptions options)
      : Handle(kKind), keep(std::move(r)), impl(std::move(options)) {}
  const hadal::Runtime* runtime() const { return keep.get(); }
  std::shared_ptr<hadal::Runtime> keep;
  hadal::Sampler impl;
};

struct hadal_session : hadal::capi::Handle {
  static constexpr auto kKind = hadal::capi::Kind::kSession;
  explicit hadal_session(std::shared_ptr<hadal::Session> s) : Handle(kKind), impl(std::move(s)) {}
  const hadal::Runtime* runtime() const { return impl->served().runtime.get(); }
  std::shared_ptr<hadal::Session> impl;
};

struct hadal_request : hadal::capi::Handle {
  static constexpr auto kKind = hadal::capi::Kind::kRequest;
  explicit hadal_request(std::shared_ptr<hadal::Request> r) : Handle(kKind), impl(std::move(r)) {}
  const hadal::Runtime* runtime() const { return &impl->runtime(); }
  std::shared_ptr<hadal::Request> impl;
  hadal::Event polled;  // its text is lent to the host until the next poll
};
