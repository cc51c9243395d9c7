// A directory as Hugging Face keeps it, config.json beside safetensors, as a Checkpoint. The only
// file that knows its names of files and tensors.
#pragma once

#include <memory>
#include <string>

#include "lib/checkpoint/checkpoint.hpp"

namespace hadal {

// `directory` is empty for the one where the process is, or ends in a slash. `weights` is the name
// in it of a safetensors file or of an index; empty: model.safetensors.index.json or, without one,
// model.safetensors.
absl::StatusOr<std::unique_ptr<Checkpoint>> open_hf_checkpoint(FileSystem& files,
                                                               const std::string& directory,
                                                               const std::string& weights,
                                                               const CheckpointOptions& options);

// Its directory, as above; null if it is none.
const std::string* hf_directory_of(const Checkpoint& checkpoint);

}  // namespace hadal
