// A model cut into several GGUF files: finds them all from any one of them and checks that they
// belong together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/checkpoint/gguf_file.hpp"

namespace hadal {

struct GgufSet {
  std::vector<GgufFile> files;       // in order; at least the one given
  std::vector<std::string> missing;  // with allow_missing_files: paths, or "file 2 of 3"
  bool has_first = true;             // the one with the metadata of all
};

// The set that `given` belongs to; `given` alone if it is whole. The names of the others come from
// given's path, never from what stands in it.
absl::StatusOr<GgufSet> read_gguf_set(FileSystem& files, std::shared_ptr<const File> given,
                                      const CheckpointOptions& options);

}  // namespace hadal
