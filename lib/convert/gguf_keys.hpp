// The metadata of a GGUF file that is to be written: made from a directory's configuration and
// tokenizer, or those of another GGUF file with what a conversion changes.
#pragma once

#include <optional>
#include <string>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/checkpoint/gguf_metadata.hpp"
#include "lib/convert/gguf_file_writer.hpp"
#include "lib/convert/importance.hpp"
#include "lib/model/config.hpp"

namespace hadal {

struct GgufShape {
  bool kv_b_is_joint = false;  // the keys about attention follow
  int32_t n_mtp_layers = 0;
  std::optional<uint32_t> file_type;  // general.file_type; nothing: left as it is
};

// `name` is for general.name. Warns of what GGUF has no key for.
GgufEntries gguf_keys_of_model(const ModelConfig& config, const Vocabulary& vocabulary,
                               absl::string_view name, const GgufShape& shape, const Log& log);

GgufEntries changed_gguf_keys(const GgufMetadata& metadata, const ModelConfig& config,
                              const GgufShape& shape);

// "quantize.imatrix.*": out of which matrix the types were made, or, without one, out of none.
void set_importance_keys(GgufEntries& entries, const Importance* importance);

// For file `number`, from 0, of `count`.
void set_split_keys(GgufEntries& entries, size_t number, size_t count, size_t n_tensors);

}  // namespace hadal
