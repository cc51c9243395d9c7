// A checkpoint under hadal's names, which are those of DeepSeek's config.json: numbers, tensors,
// vocabulary. One implementation per file format translates.
//
// Tensor names: embed_tokens, norm, lm_head; layers.<N>. followed by
//   input_layernorm, post_attention_layernorm,
//   self_attn.{q_proj, q_a_proj, q_a_layernorm, q_b_proj, kv_a_proj_with_mqa, kv_a_layernorm,
//              kv_b_proj, k_b_proj, v_b_proj, o_proj},
//   mlp.{gate_proj, up_proj, down_proj}, mlp.gate, mlp.gate.e_score_correction_bias,
//   mlp.experts.{gate_proj, up_proj, down_proj, gate_up_proj} (stacked, [n_routed_experts, ...]),
//   or mlp.experts.<E>.{gate_proj, up_proj, down_proj} (one by one), mlp.shared_experts.{gate_proj,
//   up_proj, down_proj}, and, in an MTP layer, enorm, hnorm, eh_proj, embed_tokens,
//   shared_head.norm, shared_head.head.
// A matrix in f8_e4m3 has the scales of its blocks beside it: its name and .weight_scale_inv, which
// are multiplied with in spite of the word.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/base/log.hpp"
#include "lib/base/status.hpp"
#include "lib/checkpoint/manifest.hpp"
#include "lib/text/vocabulary.hpp"

namespace hadal {

// Input limits (HADAL_OPT_LIMIT_*) and switches of the readers.
struct CheckpointOptions {
  uint64_t limit_string_bytes = uint64_t{16} << 20;
  uint64_t limit_metadata_entries = 65536;
  uint64_t limit_array_elements = uint64_t{4} << 20;
  uint64_t limit_tensors = 262144;
  uint64_t limit_shards = 4096;
  bool infer_expert_groups = true;  // HADAL_OPT_EXPERT_GROUPS is "auto"
  // Of a directory, only the tensors behind the last layer of the trunk, which are the MTP layers,
  // and only the files that hold them: the others need not be there (HADAL_OPT_MTP_PATH).
  bool only_mtp_layers = false;
  // Files of a set that are not there are left out, and named by missing_files(); what they would
  // hold is not asked for (HADAL_OPT_HEADERS_ONLY).
  bool allow_missing_files = false;
};

class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  // A number or word of config.json's vocabulary ("hidden_size", "rope_scaling.factor",
  // "scoring_func"); nothing if the file does not say. E_FORMAT for a value of another type.
  virtual absl::StatusOr<std::optional<int64_t>> integer(absl::string_view name) const = 0;
  virtual absl::StatusOr<std::optional<double>> real(absl::string_view name) const = 0;
  virtual absl::StatusOr<std::optional<bool>> flag(absl::string_view name) const = 0;
  virtual absl::StatusOr<std::optional<std::string>> text(absl::string_view name) const = 0;
  // The name as this file spells it, for messages: "model.gguf: deepseek2.embedding_length".
  virtual std::string spelling(absl::string_view name) const = 0;

  virtual const Manifest& manifest() const = 0;
  virtual const std::vector<std::shared_ptr<const File>>& files() const = 0;  // at least one
  // Paths, or "file 2 of 3" where none is known; always empty without allow_missing_files.
  virtual std::vector<std::string> missing_files() const { return {}; }
  virtual absl::StatusOr<Vocabulary> vocabulary() const = 0;

  // The file's own metadata as text, arrays as JSON.
  virtual std::vector<std::string> metadata_keys() const = 0;
  virtual std::optional<std::string> metadata(absl::string_view key) const = 0;
};

// Opens any checkpoint of a format that hadal knows, all its shards, and checks them: reads
// headers, no weights. `path` is a GGUF file, a directory with config.json and safetensors, or one
// of the files in it. Asks the formats in a fixed order. E_UNSUPPORTED if it is none of them.
absl::StatusOr<std::unique_ptr<Checkpoint>> open_checkpoint(FileSystem& files,
                                                            absl::string_view path,
                                                            const CheckpointOptions& options,
                                                            const Log& log);

}  // namespace hadal
