// A model cut into several GGUF files: finds them all from any one of them and checks that they
// belong together.
#pragma once

#include <memory>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/checkpoint/gguf_file.hpp"

namespace hadal {

// The files of the set that `given` belongs to, in order; `given` alone if it is whole. The names
// of the others come from given's path, never from what stands in it.
absl::StatusOr<std::vector<GgufFile>> read_gguf_set(FileSystem& files,
                                                    std::shared_ptr<const File> given,
                                                    const CheckpointOptions& options);

}  // namespace hadal
