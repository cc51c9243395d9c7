// Which backends there are, and the one that a name means here.
#pragma once

#include <memory>
#include <string_view>

#include "backends/backend.hpp"
#include "lib/base/thread_pool.hpp"

namespace hadal {

// "auto" is the fastest there is: cpu. `isa` is for the cpu backend: an instruction set by name, or
// "auto" for the best of this machine. E_OUT_OF_RANGE for a name that means nothing, with a list of
// those that do.
absl::StatusOr<std::unique_ptr<Backend>> make_backend(std::string_view name, std::string_view isa,
                                                      std::shared_ptr<Memory> memory,
                                                      std::shared_ptr<Executor> executor);

}  // namespace hadal
