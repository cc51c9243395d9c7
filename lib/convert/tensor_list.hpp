// Which tensors a new checkpoint has, and out of which of the old one their rows come: experts that
// lie one by one are stacked, kv_b_proj is cut in two or put together, MTP layers come along or
// not. Types are chosen elsewhere; here each tensor keeps its own.
#pragma once

#include <vector>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/convert/conversion_options.hpp"
#include "lib/convert/output_tensor.hpp"
#include "lib/model/config.hpp"

namespace hadal {

struct TensorList {
  std::vector<OutputTensor> tensors;
  int32_t n_mtp_layers = 0;    // that are among them
  bool kv_b_is_joint = false;  // in them
};

// For a GGUF file. The names in it are those of GGUF where hadal knows one. E_FORMAT where shapes
// do not fit the configuration, E_UNSUPPORTED for a tensor of a directory that GGUF has no name
// for, and for MTP layers alone where there are none.
absl::StatusOr<TensorList> list_gguf_tensors(const Checkpoint& checkpoint,
                                             const ModelConfig& config,
                                             const ConversionOptions& options, const Log& log);

// For a directory: the tensors as they are, without the scales of blocks if `dequantised`.
absl::StatusOr<TensorList> list_safetensors_tensors(const Checkpoint& checkpoint,
                                                    const ModelConfig& config,
                                                    const ConversionOptions& options,
                                                    bool dequantised);

}  // namespace hadal
