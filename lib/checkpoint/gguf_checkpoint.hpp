// A GGUF file, or a set of them, as a Checkpoint.
#pragma once

#include <memory>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/checkpoint/gguf_metadata.hpp"

namespace hadal {

// `given` is the file, or any one of a set.
absl::StatusOr<std::unique_ptr<Checkpoint>> open_gguf_checkpoint(FileSystem& files,
                                                                 std::shared_ptr<const File> given,
                                                                 const CheckpointOptions& options,
                                                                 const Log& log);

// The metadata with their types, for whoever writes a file anew; null if it is no GGUF file.
const GgufMetadata* gguf_metadata_of(const Checkpoint& checkpoint);

}  // namespace hadal
