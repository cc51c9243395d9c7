// Which backends there are, and the one that a name means here. Some are modules of their own,
// opened when they are asked for.
#pragma once

#include <memory>
#include <string>

#include "backends/backend.hpp"
#include "backends/backend_options.hpp"
#include "lib/base/thread_pool.hpp"

namespace hadal {

// E_OUT_OF_RANGE for a name that means nothing, with a list of those that do. For a backend in a
// module: E_NOT_FOUND where the module is not there, E_FORMAT where the file is no such module,
// E_VERSION where it is one of another build, and what the backend itself refuses. "auto" does
// without what fails.
absl::StatusOr<std::unique_ptr<Backend>> make_backend(const BackendOptions& options,
                                                      std::shared_ptr<Memory> memory,
                                                      std::shared_ptr<Executor> executor);

}  // namespace hadal
