// model.safetensors.index.json: which tensor of a checkpoint lies in which of its files.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/status.hpp"
#include "lib/checkpoint/checkpoint.hpp"

namespace hadal {

struct SafetensorsIndex {
  std::vector<std::string> files;  // names of files beside the index, sorted; each has a tensor
  std::vector<std::pair<std::string, size_t>> tensors;  // name and file, in the index's order
};

// `path` is for messages. Names of files are plain ones: none leads out of the folder. E_FORMAT,
// E_LIMIT.
absl::StatusOr<SafetensorsIndex> read_safetensors_index(absl::string_view text,
                                                        const std::string& path,
                                                        const CheckpointOptions& options);

}  // namespace hadal
