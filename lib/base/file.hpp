// Files as hadal sees them: positioned reads and, where the system does it, mappings. The host can
// take the place of the system (hadal_io): pack files, encrypted stores, tests.
#pragma once

#include <hadal/hadal.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "lib/base/host_table.hpp"
#include "lib/base/status.hpp"

namespace hadal {

// A whole file mapped for reading. Unmapped when it goes.
class Mapping {
 public:
  virtual ~Mapping() = default;
  virtual std::span<const std::byte> bytes() const = 0;
};

// An open file. Thread-safe.
class File {
 public:
  virtual ~File() = default;
  const std::string& path() const { return path_; }
  uint64_t size_bytes() const { return size_bytes_; }  // when it was opened

  // Fills `to` or fails: E_IO with the system's error number, E_FORMAT if the file ends before.
  virtual absl::Status read_at(uint64_t at, std::span<std::byte> to) const = 0;

  // E_UNSUPPORTED where there are no mappings.
  virtual absl::StatusOr<std::shared_ptr<const Mapping>> map() const = 0;

 protected:
  File(std::string path, uint64_t size_bytes) : path_(std::move(path)), size_bytes_(size_bytes) {}

 private:
  std::string path_;
  uint64_t size_bytes_;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Opens for reading. E_NOT_FOUND, E_IO; a directory is E_UNSUPPORTED.
  virtual absl::StatusOr<std::shared_ptr<const File>> open(absl::string_view path) = 0;
};

std::shared_ptr<FileSystem> system_files();
std::shared_ptr<FileSystem> host_files(SharedTable<hadal_io> table);

}  // namespace hadal
