// Which backends there are, and the one that a name means here.
#pragma once

#include <memory>
#include <string>

#include "backends/backend.hpp"
#include "backends/backend_options.hpp"
#include "lib/base/thread_pool.hpp"

namespace hadal {

// E_OUT_OF_RANGE for a name that means nothing, with a list of those that do.
absl::StatusOr<std::unique_ptr<Backend>> make_backend(const BackendOptions& options,
                                                      std::shared_ptr<Memory> memory,
                                                      std::shared_ptr<Executor> executor);

}  // namespace hadal
