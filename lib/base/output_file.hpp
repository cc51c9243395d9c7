// A file that appears under its name when it is whole, and otherwise never: it is written beside
// its place under another name, brought to the disk, and then takes the place in one step.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "lib/base/file.hpp"

namespace hadal {

class OutputFile {
 public:
  // The name it has meanwhile is the path with ".part" behind it.
  static absl::StatusOr<OutputFile> create(std::shared_ptr<FileSystem> files, std::string path);
  OutputFile(OutputFile&&) = default;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  // whatever was not put in place is removed

  const std::string& path() const { return path_; }
  absl::Status write_at(uint64_t at, std::span<const std::byte> from);
  absl::Status sync() { return file_->sync(); }
  absl::Status put_in_place();  // after sync(); nothing is written afterwards

 private:
  OutputFile(std::shared_ptr<FileSystem> files, std::string path,
             std::unique_ptr<WritableFile> file)
      : files_(std::move(files)),
        path_(std::move(path)),
        meanwhile_(path_ + kMeanwhile),
        file_(std::move(file)) {}
  static constexpr char kMeanwhile[] = ".part";

  std::shared_ptr<FileSystem> files_;  // null: in place, or moved from
  std::string path_, meanwhile_;       // to remove a file must not need memory
  std::unique_ptr<WritableFile> file_;
};

}  // namespace hadal
