// A model cut into several safetensors files: opens those that an index names and checks that they
// hold what it says.
#pragma once

#include <string>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/checkpoint/safetensors_file.hpp"
#include "lib/checkpoint/safetensors_index.hpp"

namespace hadal {

struct SafetensorsSet {
  std::vector<SafetensorsFile> files;  // in the order of the index; at least one
  std::vector<std::string> missing;    // paths, with allow_missing_files
};

// The files of the index, with the tensors that it names and no others. `index_path` is for
// messages. E_NOT_FOUND if a file is missing; with allow_missing_files, if all of them are.
absl::StatusOr<SafetensorsSet> read_safetensors_set(FileSystem& files, const std::string& directory,
                                                    const SafetensorsIndex& index,
                                                    const std::string& index_path,
                                                    const CheckpointOptions& options);

}  // namespace hadal
