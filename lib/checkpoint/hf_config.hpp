// config.json and generation_config.json of a checkpoint as Hugging Face keeps it: numbers and
// words by their names, and whether they describe a model that hadal runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/json.hpp"
#include "lib/base/status.hpp"

namespace hadal {

class HfConfig {
 public:
  // `generation` may be empty. E_FORMAT for what is damaged, E_UNSUPPORTED for a model that is not
  // of the family, or one of its members with something that hadal would compute wrongly.
  static absl::StatusOr<HfConfig> parse(absl::string_view text, const std::string& path,
                                        absl::string_view generation,
                                        const std::string& generation_path);

  // As of Checkpoint; names may lead into objects and arrays: "rope_scaling.factor".
  absl::StatusOr<std::optional<int64_t>> integer(absl::string_view name) const;
  absl::StatusOr<std::optional<double>> real(absl::string_view name) const;
  absl::StatusOr<std::optional<bool>> flag(absl::string_view name) const;
  absl::StatusOr<std::optional<std::string>> text(absl::string_view name) const;
  std::string spelling(absl::string_view name) const;

  // What both files say of bos_token_id and eos_token_id, each of which is a number or several.
  absl::StatusOr<std::optional<int64_t>> bos_id() const;
  absl::StatusOr<std::vector<int64_t>> eos_ids() const;

  // The keys of config.json; those of the other file behind "generation_config.".
  std::vector<std::string> keys() const;
  std::optional<std::string> formatted(absl::string_view key) const;

 private:
  HfConfig() = default;
  const SortedJson* find(absl::string_view name) const;
  bool is_yarn() const;
  absl::Status check() const;
  absl::Status check_model() const;
  absl::Status check_quantization() const;
  absl::Status check_rope() const;
  absl::Status unwanted(absl::string_view name, absl::string_view wanted,
                        const SortedJson& found) const;
  absl::Status unsupported(absl::string_view name, const SortedJson& found,
                           absl::string_view hint) const;
  absl::Status append_ids(const SortedJson& object, const std::string& path, const char* key,
                          std::vector<int64_t>* ids) const;

  std::string path_, generation_path_;
  JsonTree config_, generation_;
  bool is_v2_ = false;
};

}  // namespace hadal
