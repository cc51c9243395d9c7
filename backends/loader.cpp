// See loader.hpp.
#include "backends/loader.hpp"

#include <cstring>
#include <utility>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cpu/cpu_features.hpp"
#include "backends/module.hpp"
#include "backends/module_backend.hpp"
#include "backends/onednn/crossover.hpp"
#include "backends/reference/reference_backend.hpp"

namespace hadal {
namespace {

std::string module_file(const BackendOptions& options, absl::string_view name) {
  std::string folder = options.module_path;
  if (folder.empty()) {
    folder = folder_of_code(kBuildId);
  } else if (folder.back() != '/') {
    folder += '/';
  }
  return absl::StrCat(folder, "libhadal_", name, ".so");
}

absl::StatusOr<std::unique_ptr<Backend>> make_from_module(absl::string_view name,
                                                          const BackendOptions& options,
                                                          std::shared_ptr<Memory> memory,
                                                          std::shared_ptr<Executor> executor) {
  const std::string file = module_file(options, name);
  absl::StatusOr<std::shared_ptr<SharedModule>> opened = SharedModule::open(file);
  if (code_of(opened.status()) == HADAL_E_NOT_FOUND) {
    return fail(
        HADAL_E_NOT_FOUND, absl::StrCat("the backend ", name, ": ", message_of(opened.status())),
        "Install the module there, name its folder by the option module_path, or set the option "
        "backend to auto.",
        os_error_of(opened.status()));
  }
  if (!opened.ok()) return opened.status();
  // Of a table of another build even the layout may be another, so the address comes first.
  void* const symbol = (*opened)->symbol(kModuleSymbol);
  if (symbol == nullptr) {
    return fail(HADAL_E_FORMAT, absl::StrCat(file, " is not a module of hadal"),
                absl::StrCat("Put hadal's own libhadal_", name, ".so in its place."));
  }
  ModuleFunction* function = nullptr;
  std::memcpy(&function, &symbol, sizeof function);
  const Module* module = function(kBuildId);
  if (module == nullptr || module->make == nullptr) {
    return fail(HADAL_E_VERSION,
                absl::StrCat(file, " is of another build of hadal: wanted ", kBuildId, ", found ",
                             module != nullptr ? module->build_id : "none"),
                "Library and modules belong together: install both from one package.");
  }
  HADAL_ASSIGN_OR_RETURN(std::unique_ptr<Backend> backend,
                         module->make(options, std::move(memory), std::move(executor)));
  return std::make_unique<ModuleBackend>(*std::move(opened), std::move(backend));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> make_backend(const BackendOptions& options,
                                                      std::shared_ptr<Memory> memory,
                                                      std::shared_ptr<Executor> executor) {
  const std::string& name = options.name;
  if (name == "onednn") {
    return make_from_module(name, options, std::move(memory), std::move(executor));
  }
  if (name == "auto" && options.isa == "auto" && !options.batch_invariant &&
      onednn::is_first_choice(cpu::features_of_this_machine())) {
    absl::StatusOr<std::unique_ptr<Backend>> best =
        make_from_module("onednn", options, memory, executor);
    if (best.ok()) return best;
  }
  if (name == "auto" || name == "cpu") {
    return make_cpu_backend(std::move(memory), std::move(executor), options);
  }
  if (name == "reference") return std::make_unique<ReferenceBackend>(std::move(memory));
  return fail(HADAL_E_OUT_OF_RANGE, absl::StrCat("there is no backend \"", name, "\""),
              "The backends are auto, cpu, onednn and reference.");
}

}  // namespace hadal
