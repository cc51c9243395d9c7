#include "lib/base/output_file.hpp"

#include <utility>

namespace hadal {

absl::StatusOr<OutputFile> OutputFile::create(std::shared_ptr<FileSystem> files, std::string path) {
  HADAL_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, files->create(path + ".part"));
  return OutputFile(std::move(files), std::move(path), std::move(file));
}

// Where the system allows it the file stays open until it has its name or is gone: an open file is
// locked, so nobody else can begin to write it.
OutputFile::~OutputFile() {
  if (files_ == nullptr) return;
  if (!files_->renames_open_files()) file_.reset();
  files_->remove(meanwhile()).IgnoreError();
}

absl::Status OutputFile::write_at(uint64_t at, std::span<const std::byte> from) {
  return file_->write_at(at, from);
}

absl::Status OutputFile::put_in_place() {
  HADAL_CHECK(files_ != nullptr);
  if (!files_->renames_open_files()) file_.reset();
  HADAL_RETURN_IF_ERROR(files_->replace(meanwhile(), path_));
  file_.reset();
  files_.reset();
  return absl::OkStatus();
}

}  // namespace hadal
