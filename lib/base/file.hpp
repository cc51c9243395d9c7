// Files as hadal sees them: positioned reads and writes and, where the system does it, mappings.
// The host can take the place of the system (hadal_io): pack files, encrypted stores, tests.
#pragma once

#include <hadal/hadal.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

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

// An open file that is being written. Closed when it goes; what was not synced may then be lost.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  const std::string& path() const { return path_; }

  // E_NO_SPACE if the disk is full, E_IO.
  virtual absl::Status write_at(uint64_t at, std::span<const std::byte> from) = 0;
  // Returns once what was written would survive a loss of power.
  virtual absl::Status sync() = 0;

 protected:
  explicit WritableFile(std::string path) : path_(std::move(path)) {}

 private:
  std::string path_;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Opens for reading. E_NOT_FOUND, E_IO; a directory is E_UNSUPPORTED.
  virtual absl::StatusOr<std::shared_ptr<const File>> open(absl::string_view path) = 0;

  // Those below answer E_UNSUPPORTED where files are only read.

  // An empty file to be written, whatever was there before. E_BUSY if somebody writes it already.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> create(absl::string_view path);
  // Gives the file `from` the name `to`, in one step, and takes it from a file that had it. Both
  // lie in one folder.
  virtual absl::Status replace(absl::string_view from, absl::string_view to);
  virtual absl::Status remove(absl::string_view path);
  // Whether replace() and remove() may be called while the file is open.
  virtual bool renames_open_files() const { return false; }
  // True if it was not there before. The folder above it must be.
  virtual absl::StatusOr<bool> make_directory(absl::string_view path);
  virtual void remove_directory(absl::string_view path);  // if it is empty
  // The names of the regular files in a folder, sorted.
  virtual absl::StatusOr<std::vector<std::string>> list(absl::string_view directory);
  // What may still be written to the disk where this path lies; nothing if nobody can tell.
  virtual std::optional<uint64_t> free_bytes(absl::string_view path);
};

std::shared_ptr<FileSystem> system_files();
std::shared_ptr<FileSystem> host_files(SharedTable<hadal_io> table);

}  // namespace hadal
