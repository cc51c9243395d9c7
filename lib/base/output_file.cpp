#include "lib/base/output_file.hpp"

#include <utility>

namespace hadal {

// The object is there before the file: whatever fails in between leaves none behind.
absl::StatusOr<OutputFile> OutputFile::create(std::shared_ptr<FileSystem> files, std::string path) {
  OutputFile output(nullptr, std::move(path), nullptr);
  HADAL_ASSIGN_OR_RETURN(output.file_, files->create(output.meanwhile_));
  output.files_ = std::move(files);
  return output;
}

// Where the system allows it the file stays open until it has its name or is gone: an open file is
// locked, so nobody else can begin to write it.
OutputFile::~OutputFile() {
  if (files_ == nullptr) return;
  if (!files_->renames_open_files()) file_.reset();
  try {
    files_->remove(meanwhile_).IgnoreError();
  } catch (...) {  // there was no memory to say why it could not be removed
  }
}

absl::Status OutputFile::write_at(uint64_t at, std::span<const std::byte> from) {
  return file_->write_at(at, from);
}

absl::Status OutputFile::put_in_place() {
  HADAL_CHECK(files_ != nullptr);
  if (!files_->renames_open_files()) file_.reset();
  HADAL_RETURN_IF_ERROR(files_->replace(meanwhile_, path_));
  file_.reset();
  files_.reset();
  return absl::OkStatus();
}

}  // namespace hadal
