// What a backend in a module of its own (libhadal_<name>.so) and the loader agree on: one exported
// function. The border is C++, so both sides must be of one build; nothing else is shared before
// that is known. A module links copies of its own of what it needs below backend.hpp; threads and
// memory are passed in, and no exception comes out.
#pragma once

#include <memory>

#include "backends/backend.hpp"
#include "backends/backend_options.hpp"
#include "lib/base/thread_pool.hpp"

namespace hadal {

// Of the sources and the compiler; written when hadal is built.
extern const char kBuildId[];

struct Module {
  const char* build_id;
  // Filled in only for a loader of the same build; null else.
  absl::StatusOr<std::unique_ptr<Backend>> (*make)(const BackendOptions& options,
                                                   std::shared_ptr<Memory> memory,
                                                   std::shared_ptr<Executor> executor);
};

// The one symbol: `const Module* hadal_module(const char* build_id)`, the argument that of the
// loader. What it points to lives as long as the module is loaded.
inline constexpr char kModuleSymbol[] = "hadal_module";
using ModuleFunction = const Module*(const char* build_id);

}  // namespace hadal
