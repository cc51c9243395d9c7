// A shared library that is opened when it is wanted and closed by the last who holds it. Its names
// stay its own: nothing else in the process resolves to them.
#pragma once

#include <memory>
#include <string>

#include "lib/base/status.hpp"

namespace hadal {

class SharedModule {
 public:
  // E_NOT_FOUND if there is no file at `path`, E_FORMAT if the system cannot load it; either with
  // what the system says.
  static absl::StatusOr<std::shared_ptr<SharedModule>> open(const std::string& path);
  SharedModule(const SharedModule&) = delete;
  ~SharedModule();

  // Null if it exports no such name.
  void* symbol(const char* name) const;
  const std::string& path() const { return path_; }

 private:
  SharedModule(std::string path, void* handle) : path_(std::move(path)), handle_(handle) {}

  std::string path_;
  void* handle_;
};

// The folder of the library or program that `address` lies in, with a slash at its end; empty if
// the system does not know.
std::string folder_of_code(const void* address);

}  // namespace hadal
