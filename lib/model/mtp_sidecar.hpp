// An MTP layer out of files of its own, for a trunk whose files lack it: most GGUF files do.
#pragma once

#include <memory>

#include "lib/base/file.hpp"
#include "lib/base/log.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/model/config.hpp"
#include "lib/text/vocabulary.hpp"

namespace hadal {

struct MtpSidecar {
  std::unique_ptr<Checkpoint> checkpoint;
  ModelConfig config;  // as these files have it: blocks of fp8 are their own affair
};

// Opens a directory of safetensors, of which only the files with the MTP layer need to be there, or
// a GGUF file with the layer, and checks that it was made for this trunk: every number that shapes
// or computes the layer is the trunk's. E_UNSUPPORTED if the trunk has a layer of its own, these
// files have none, or they are of another model; the message names both.
absl::StatusOr<MtpSidecar> open_mtp_sidecar(FileSystem& files, absl::string_view path,
                                            CheckpointOptions options, const Log& log,
                                            const Checkpoint& trunk,
                                            const ModelConfig& trunk_config);

// The same tokens under the same ids, if the sidecar has a vocabulary. E_UNSUPPORTED.
absl::Status check_same_vocabulary(const Checkpoint& sidecar, const Vocabulary& trunk);

}  // namespace hadal
