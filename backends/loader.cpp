// See loader.hpp.
#include "backends/loader.hpp"

#include <utility>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/reference/reference_backend.hpp"

namespace hadal {

absl::StatusOr<std::unique_ptr<Backend>> make_backend(const BackendOptions& options,
                                                      std::shared_ptr<Memory> memory,
                                                      std::shared_ptr<Executor> executor) {
  const std::string& name = options.name;
  if (name == "auto" || name == "cpu") {
    return make_cpu_backend(std::move(memory), std::move(executor), options);
  }
  if (name == "reference") return std::make_unique<ReferenceBackend>(std::move(memory));
  return fail(HADAL_E_OUT_OF_RANGE, absl::StrCat("there is no backend \"", name, "\""),
              "The backends are auto, cpu and reference.");
}

}  // namespace hadal
