#include "lib/session/save_imatrix.hpp"

#include "lib/base/output_file.hpp"
#include "lib/session/measured_importance.hpp"

namespace hadal {

absl::Status save_imatrix(const ServedModel& model, const std::string& path,
                          const SaveImatrixOptions& options) {
  HADAL_ASSIGN_OR_RETURN(Imatrix imatrix, measured_importance(*model.model, options.with_head));
  const std::shared_ptr<FileSystem>& files = model.runtime->resources().files;
  if (options.add) {
    absl::StatusOr<Imatrix> there = Imatrix::read(*files, path);
    if (!there.ok() && code_of(there.status()) != HADAL_E_NOT_FOUND) return there.status();
    if (there.ok()) {
      HADAL_RETURN_IF_ERROR(there->merge(imatrix));
      imatrix = *std::move(there);
    }
  }
  imatrix.chunk_size = options.chunk_size;
  if (!options.dataset.empty()) imatrix.add_dataset(options.dataset);

  HADAL_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(files, path));
  uint64_t at = 0;
  const auto sink = [&](std::span<const std::byte> bytes) {
    const uint64_t here = at;
    at += bytes.size();
    return file.write_at(here, bytes);
  };
  HADAL_RETURN_IF_ERROR(options.as_dat ? imatrix.write_dat(sink) : imatrix.write_gguf(sink));
  HADAL_RETURN_IF_ERROR(file.sync());
  return file.put_in_place();
}

}  // namespace hadal
