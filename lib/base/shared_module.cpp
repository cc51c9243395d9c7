// See shared_module.hpp.
#include "lib/base/shared_module.hpp"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace hadal {

absl::StatusOr<std::shared_ptr<SharedModule>> SharedModule::open(const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) != 0) {
    return fail(HADAL_E_NOT_FOUND, absl::StrCat("there is no module ", path),
                "Install it there, or do without.", errno);
  }
  // Everything is resolved now, or nothing is loaded: no surprise in the middle of a pass.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    return fail(HADAL_E_FORMAT,
                absl::StrCat(path, " cannot be loaded: ",
                             reason != nullptr ? reason : "the system gives no reason"),
                "The file is damaged, of another system, or a library that it needs is missing.");
  }
  struct Closer {
    void* handle;
    ~Closer() {
      if (handle != nullptr) dlclose(handle);
    }
  } closer{handle};  // until somebody owns it
  std::shared_ptr<SharedModule> module(new SharedModule(path, handle));
  closer.handle = nullptr;
  return module;
}

SharedModule::~SharedModule() { dlclose(handle_); }

void* SharedModule::symbol(const char* name) const { return dlsym(handle_, name); }

std::string folder_of_code(const void* address) {
  Dl_info about;
  if (dladdr(address, &about) == 0 || about.dli_fname == nullptr) return {};
  const std::string file = about.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "./" : file.substr(0, slash + 1);
}

}  // namespace hadal
