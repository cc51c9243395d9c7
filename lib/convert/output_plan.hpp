// Everything about a conversion that the headers tell: the files to be written, what stands in them
// and where, the types of the tensors, and the sizes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/base/log.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/convert/conversion_options.hpp"
#include "lib/convert/output_tensor.hpp"
#include "lib/convert/type_choice.hpp"
#include "lib/model/config.hpp"

namespace hadal {

// A file of tensors: those from first_tensor on.
struct PlannedFile {
  std::string path;
  std::string header;
  size_t first_tensor = 0;
  std::vector<uint64_t> offsets;  // of each, from the start of the file
  uint64_t alignment = 1;         // zeros follow every tensor up to a multiple of it
  uint64_t size_bytes = 0;
};

struct PlannedText {
  std::string path, text;
};

struct PlannedCopy {
  std::string path;
  std::shared_ptr<const File> source;
};

struct OutputPlan {
  std::unique_ptr<Checkpoint> checkpoint;  // what the tensors' runs point into
  ModelConfig config;
  std::string directory;  // to be made if it is not there; empty: none
  std::vector<OutputTensor> tensors;
  std::vector<PlannedFile> files;
  std::vector<PlannedCopy> copies;
  std::vector<PlannedText> texts;  // written last: with them a directory is whole
  TypeCounts types;

  uint64_t bytes_to_write() const;
  uint64_t bytes_to_read() const;
  uint64_t largest_file_bytes() const;
  size_t n_files() const { return files.size() + copies.size() + texts.size(); }
};

// Reads headers only, and writes nothing. The failures of open_checkpoint() and read_config();
// E_UNSUPPORTED, E_OUT_OF_RANGE for what cannot be done.
absl::StatusOr<OutputPlan> plan_output(FileSystem& files, const std::string& from,
                                       const std::string& to, const ConversionOptions& options,
                                       const Log& log);

}  // namespace hadal
