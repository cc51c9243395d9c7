#include "lib/checkpoint/gguf_checkpoint.hpp"

#include <utility>

#include "absl/strings/strip.h"
#include "lib/checkpoint/gguf_names.hpp"
#include "lib/checkpoint/gguf_set.hpp"
#include "lib/checkpoint/gguf_vocabulary.hpp"
#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kOtherModel =
    "hadal runs the DeepSeek-V3 family; use a file of one of its models.";
constexpr absl::string_view kDamaged =
    "The file is damaged or was written wrongly: compare its checksum, get another copy.";

class GgufCheckpoint : public Checkpoint {
 public:
  explicit GgufCheckpoint(GgufSet set)
      : shards_(std::move(set.files)),
        missing_(std::move(set.missing)),
        is_headless_(!set.has_first) {
    for (const GgufFile& shard : shards_) files_.push_back(shard.file);
  }

  // Everything that can be said about the file without knowing the model.
  absl::Status check(const CheckpointOptions& options, const Log& log) {
    if (is_headless_) return fill_manifest();  // and nothing that says what model it is
    HADAL_RETURN_IF_ERROR(check_model());
    HADAL_RETURN_IF_ERROR(check_types());
    HADAL_RETURN_IF_ERROR(check_factors());
    HADAL_RETURN_IF_ERROR(fill_manifest());
    HADAL_RETURN_IF_ERROR(count_layers());
    HADAL_RETURN_IF_ERROR(text("scoring_func").status());
    HADAL_RETURN_IF_ERROR(text("rope_scaling.type").status());
    if (options.infer_expert_groups) HADAL_RETURN_IF_ERROR(recognise_v3(log));
    return recognise_kimi_k2(log);
  }

  absl::StatusOr<std::optional<int64_t>> integer(absl::string_view name) const override {
    if (name == "num_hidden_layers") {
      return has(key("block_count")) ? std::optional<int64_t>(num_hidden_layers_) : std::nullopt;
    }
    if (name == "num_nextn_predict_layers") return num_nextn_predict_layers_;
    if (name == "vocab_size") return vocab_size();
    if (name == "q_lora_rank") return q_lora_rank();
    if (name == "qk_nope_head_dim") return qk_nope_head_dim();
    if (name == "v_head_dim") return metadata().integer(head_key("value_length"));
    if (name == "n_group") return n_group();
    if (name == "topk_group") return topk_group();
    if (is_rope_scaling(name) && !is_yarn()) return std::nullopt;
    const GgufKeyName* known = find_key(name, GgufKind::kInteger);
    if (known == nullptr) return std::nullopt;
    return metadata().integer(full_gguf_key(known->key));
  }

  absl::StatusOr<std::optional<double>> real(absl::string_view name) const override {
    if (is_rope_scaling(name) && !is_yarn()) return std::nullopt;
    const GgufKeyName* known = find_key(name, GgufKind::kReal);
    if (known == nullptr) return std::nullopt;
    HADAL_ASSIGN_OR_RETURN(const std::optional<double> value,
                           metadata().real(full_gguf_key(known->key)));
    if (name == "rope_theta") return value.value_or(10000.0);
    // A 0 means "not scaled", as an absent key does.
    if (name == "routed_scaling_factor") return value.value_or(0.0) == 0.0 ? 1.0 : *value;
    if (name == "rope_scaling.beta_fast") return value.value_or(betas_are_one_ ? 1.0 : 32.0);
    if (name == "rope_scaling.beta_slow") return value.value_or(1.0);
    // The file holds a tenth of mscale_all_dim, and mscale has no key: files have both alike. In
    // float, so that 0.1 gives 1 and not a little more.
    if (name == "rope_scaling.mscale" || name == "rope_scaling.mscale_all_dim") {
      return static_cast<double>(static_cast<float>(value.value_or(0.0)) * 10.0f);
    }
    return value;
  }

  absl::StatusOr<std::optional<bool>> flag(absl::string_view name) const override {
    if (name == "tie_word_embeddings") return manifest_.find("lm_head") == nullptr;
    const GgufKeyName* known = find_key(name, GgufKind::kFlag);
    if (known == nullptr) return std::nullopt;
    HADAL_ASSIGN_OR_RETURN(const std::optional<bool> value,
                           metadata().flag(full_gguf_key(known->key)));
    return value.value_or(false);  // norm_topk_prob is written only where it is true
  }

  absl::StatusOr<std::optional<std::string>> text(absl::string_view name) const override {
    if (name == "scoring_func") return scoring_func();
    if (name == "topk_method") {
      if (has_correction_bias()) return "noaux_tc";
      return n_group() > 1 ? "group_limited_greedy" : "greedy";
    }
    if (name == "rope_scaling.type") return rope_scaling_type();
    return std::nullopt;
  }

  std::string spelling(absl::string_view name) const override {
    absl::string_view found = name;
    for (const GgufKeyName& entry : gguf_key_names()) {
      if (entry.name != nullptr && name == entry.name) found = entry.key;
    }
    std::string spelled = name == "topk_method"           ? "exp_probs_b.bias"
                          : name == "tie_word_embeddings" ? "output.weight"
                          : name == "qk_nope_head_dim"    ? head_key("key_length")
                          : name == "v_head_dim"          ? head_key("value_length")
                                                          : full_gguf_key(found);
    return absl::StrCat(path(), ": ", spelled);
  }

  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::shared_ptr<const File>>& files() const override { return files_; }
  std::vector<std::string> missing_files() const override { return missing_; }
  absl::StatusOr<Vocabulary> vocabulary() const override {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> rows, vocab_size());
    return read_gguf_vocabulary(metadata(), path(), rows);
  }

  // The first file of a set carries the metadata of all; where it is missing, those of the next say
  // which place it has.
  const GgufMetadata& metadata() const { return shards_.front().metadata; }

  std::vector<std::string> metadata_keys() const override {
    std::vector<std::string> keys;
    for (const GgufMetadata::Entry& entry : metadata().entries()) keys.push_back(entry.key);
    return keys;
  }
  std::optional<std::string> metadata(absl::string_view key) const override {
    return metadata().formatted(key);
  }

 private:
  const std::string& path() const { return shards_.front().file->path(); }
  bool has(absl::string_view key) const { return metadata().find(key) != nullptr; }

  static std::string key(absl::string_view suffix) {
    return absl::StrCat(kGgufArchitecture, ".", suffix);
  }
  static const GgufKeyName* find_key(absl::string_view name, GgufKind kind) {
    for (const GgufKeyName& entry : gguf_key_names()) {
      if (entry.name != nullptr && entry.kind == kind && name == entry.name) return &entry;
    }
    return nullptr;
  }
  static bool is_rope_scaling(absl::string_view name) {
    return absl::ConsumePrefix(&name, "rope_scaling.");
  }

  absl::Status wrong(absl::string_view key, absl::string_view wanted,
                     absl::string_view found) const {
    return metadata().unwanted(key, wanted, found);
  }
  absl::Status unsupported(absl::string_view key, absl::string_view found,
                           absl::string_view hint = kOtherModel) const {
    return metadata().unsupported(key, found, hint);
  }

  absl::Status check_model() const {
    HADAL_ASSIGN_OR_RETURN(const std::optional<std::string> type, metadata().text("general.type"));
    if (type && *type != "model") {
      return unsupported("general.type", printable(*type), "Give the file of a whole model.");
    }
    HADAL_ASSIGN_OR_RETURN(const std::optional<std::string> architecture,
                           metadata().text("general.architecture"));
    if (!architecture) {
      return fail(HADAL_E_FORMAT, absl::StrCat(path(), ": wanted the key general.architecture"),
                  kDamaged);
    }
    if (*architecture != kGgufArchitecture) {
      return unsupported("general.architecture", printable(*architecture));
    }
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> version,
                           metadata().integer("general.quantization_version"));
    if (version && *version != 2) {
      return unsupported("general.quantization_version", absl::StrCat(*version),
                         "Quantise the model again with a current tool.");
    }
    return absl::OkStatus();
  }

  absl::Status check_types() const {
    const GgufMetadata& m = metadata();
    for (const GgufKeyName& entry : gguf_key_names()) {
      const std::string key = full_gguf_key(entry.key);
      switch (entry.kind) {
        case GgufKind::kInteger: HADAL_RETURN_IF_ERROR(m.integer(key).status()); break;
        case GgufKind::kReal: HADAL_RETURN_IF_ERROR(m.real(key).status()); break;
        case GgufKind::kFlag: HADAL_RETURN_IF_ERROR(m.flag(key).status()); break;
        case GgufKind::kText: HADAL_RETURN_IF_ERROR(m.text(key).status()); break;
        case GgufKind::kStrings: HADAL_RETURN_IF_ERROR(m.strings(key).status()); break;
        case GgufKind::kIntegers: HADAL_RETURN_IF_ERROR(m.integers(key).status()); break;
      }
    }
    return absl::OkStatus();
  }

  // Factors that no model of the family has. Ignoring one would give fluent, wrong text.
  absl::Status check_factors() const {
    constexpr absl::string_view kMustBeOne[] = {"rope.scaling.yarn_ext_factor",
                                                "rope.scaling.yarn_attn_factor",
                                                "rope.scaling.attn_factor"};
    for (const absl::string_view suffix : kMustBeOne) {
      HADAL_ASSIGN_OR_RETURN(const std::optional<double> value, metadata().real(key(suffix)));
      if (value && *value != 1.0) return unsupported(key(suffix), absl::StrCat(*value));
    }
    const std::string temperature = key("attention.temperature_scale");
    HADAL_ASSIGN_OR_RETURN(const std::optional<double> value, metadata().real(temperature));
    if (value && *value != 0.0) return unsupported(temperature, absl::StrCat(*value));
    return absl::OkStatus();
  }

  absl::Status fill_manifest() {
    for (size_t i = 0; i < shards_.size(); ++i) {
      for (GgufTensor& tensor : shards_[i].tensors) {
        TensorEntry entry;
        entry.name = translated_gguf_tensor(tensor.name);
        entry.name_in_file = std::move(tensor.name);
        entry.dtype = tensor.dtype;
        entry.shape = std::move(tensor.shape);
        entry.file = static_cast<int32_t>(i);
        entry.offset = tensor.offset;
        entry.size_bytes = tensor.size_bytes;
        absl::string_view suffix = entry.name;
        if (absl::ConsumeSuffix(&suffix, ".e_score_correction_bias")) has_correction_bias_ = true;
        const absl::Status added = manifest_.add(std::move(entry));
        if (!added.ok()) return prefix(files_[i]->path(), added);
      }
      shards_[i].tensors = {};
    }
    return absl::OkStatus();
  }

  // block_count includes the MTP layers, if the file has them at all.
  absl::Status count_layers() {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> blocks,
                           metadata().integer(key("block_count")));
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> nextn,
                           metadata().integer(key("nextn_predict_layers")));
    if (nextn && *nextn < 0)
      return wrong(key("nextn_predict_layers"), "0 or more", absl::StrCat(*nextn));
    if (blocks && *blocks < 1) return wrong(key("block_count"), "1 or more", absl::StrCat(*blocks));
    num_nextn_predict_layers_ = nextn.value_or(0);
    if (!blocks) return absl::OkStatus();
    if (num_nextn_predict_layers_ >= *blocks) {
      return wrong(key("nextn_predict_layers"),
                   absl::StrCat("less than block_count, which is ", *blocks), absl::StrCat(*nextn));
    }
    num_hidden_layers_ = *blocks - num_nextn_predict_layers_;
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<int64_t>> vocab_size() const {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> given,
                           metadata().integer(key("vocab_size")));
    if (given) return given;
    HADAL_ASSIGN_OR_RETURN(const GgufArray* tokens, metadata().strings("tokenizer.ggml.tokens"));
    if (tokens == nullptr) return std::nullopt;
    return static_cast<int64_t>(tokens->n_elements);
  }

  absl::StatusOr<std::optional<int64_t>> q_lora_rank() const {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> given,
                           metadata().integer(key("attention.q_lora_rank")));
    return given == 0 ? std::nullopt : given;  // 0 where config.json says null
  }

  // Files made since April 2025 give the sizes of the absorbed form under the old keys, and those
  // of a head under keys that end in _mla.
  std::string head_key(absl::string_view length) const {
    const std::string old_style = absl::StrCat(kGgufArchitecture, ".attention.", length);
    const bool new_style =
        has(key("attention.key_length_mla")) || has(key("attention.value_length_mla"));
    return new_style ? absl::StrCat(old_style, "_mla") : old_style;
  }

  absl::StatusOr<std::optional<int64_t>> qk_nope_head_dim() const {
    const std::string head = head_key("key_length");
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> whole, metadata().integer(head));
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> rope,
                           metadata().integer(key("rope.dimension_count")));
    if (!whole || !rope) return std::nullopt;
    if (*rope < 1) return wrong(key("rope.dimension_count"), "1 or more", absl::StrCat(*rope));
    if (*whole <= *rope) {
      return wrong(head, absl::StrCat("more than rope.dimension_count, which is ", *rope),
                   absl::StrCat(*whole));
    }
    return *whole - *rope;
  }

  absl::StatusOr<std::optional<std::string>> scoring_func() const {
    const std::string gating = key("expert_gating_func");
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> id, metadata().integer(gating));
    if (!id && has_correction_bias()) {
      return fail(
          HADAL_E_UNSUPPORTED,
          absl::StrCat(path(), ": experts with a correction bias (exp_probs_b), but no key ",
                       gating, " that says how they are scored"),
          "Use a file made by a current converter.");
    }
    switch (id.value_or(0)) {
      case 0:
      case 1: return "softmax";
      case 2: return "sigmoid";
      default: return unsupported(gating, absl::StrCat(*id));
    }
  }

  absl::StatusOr<std::optional<std::string>> rope_scaling_type() const {
    const std::string type_key = key("rope.scaling.type");
    HADAL_ASSIGN_OR_RETURN(const std::optional<std::string> type, metadata().text(type_key));
    const std::string name = type.value_or("none");
    if (name == "none") return std::nullopt;
    if (name != "yarn") return unsupported(type_key, printable(name));
    return name;
  }
  bool is_yarn() const {
    const absl::StatusOr<std::optional<std::string>> type = rope_scaling_type();
    return type.ok() && type->has_value();
  }

  bool has_correction_bias() const { return has_correction_bias_; }

  int64_t n_group() const {  // one group where there are none
    return groups_are_v3s_ ? 8 : integer_or(key("expert_group_count"), 1);
  }
  absl::StatusOr<std::optional<int64_t>> topk_group() const {
    if (groups_are_v3s_) return 4;
    if (n_group() == 1) return 1;
    return metadata().integer(key("expert_group_used_count"));
  }

  // For keys whose type has been checked. A 0 means what absence means.
  int64_t integer_or(const std::string& key, int64_t otherwise) const {
    const absl::StatusOr<std::optional<int64_t>> value = metadata().integer(key);
    return value.ok() && value->value_or(0) != 0 ? **value : otherwise;
  }

  // Group keys are written since October 2025 only. V3 routed without its groups answers fluently
  // and worse.
  absl::Status recognise_v3(const Log& log) {
    if (has(key("expert_group_count")) || has(key("expert_group_used_count")))
      return absl::OkStatus();
    HADAL_ASSIGN_OR_RETURN(const std::optional<std::string> scoring, scoring_func());
    groups_are_v3s_ = integer_or(key("expert_count"), 0) == 256 && scoring == "sigmoid" &&
                      has_correction_bias() && integer_or(key("attention.head_count"), 0) == 128;
    if (groups_are_v3s_) {
      log.warning("load",
                  absl::StrCat(path(), ": no ", key("expert_group_count"),
                               ", but the shape of DeepSeek-V3: experts are chosen from 4 of "
                               "8 groups, as it was trained (option expert_groups: \"file\" "
                               "for plain top-k)"));
    }
    return absl::OkStatus();
  }

  // Kimi-K2 was trained with betas 1 and 1; its files made before December 2025 do not say so.
  absl::Status recognise_kimi_k2(const Log& log) {
    if (!is_yarn() || has(key("rope.scaling.yarn_beta_fast")) ||
        has(key("rope.scaling.yarn_beta_slow"))) {
      return absl::OkStatus();
    }
    HADAL_ASSIGN_OR_RETURN(const std::optional<double> theta, real("rope_theta"));
    betas_are_one_ = integer_or(key("expert_count"), 0) == 384 && theta == 50000.0;
    if (betas_are_one_) {
      log.warning("load", absl::StrCat(path(), ": no ", key("rope.scaling.yarn_beta_fast"),
                                       ", but the shape of Kimi-K2: YaRN with betas 1 and 1, as it "
                                       "was trained"));
    }
    return absl::OkStatus();
  }

  std::vector<GgufFile> shards_;
  std::vector<std::shared_ptr<const File>> files_;
  std::vector<std::string> missing_;
  bool is_headless_;
  Manifest manifest_;
  bool has_correction_bias_ = false;
  int64_t num_hidden_layers_ = 0;
  int64_t num_nextn_predict_layers_ = 0;
  bool groups_are_v3s_ = false;
  bool betas_are_one_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> open_gguf_checkpoint(FileSystem& files,
                                                                 std::shared_ptr<const File> given,
                                                                 const CheckpointOptions& options,
                                                                 const Log& log) {
  HADAL_ASSIGN_OR_RETURN(GgufSet set, read_gguf_set(files, std::move(given), options));
  auto checkpoint = std::make_unique<GgufCheckpoint>(std::move(set));
  HADAL_RETURN_IF_ERROR(checkpoint->check(options, log));
  return checkpoint;
}

const GgufMetadata* gguf_metadata_of(const Checkpoint& checkpoint) {
  const auto* gguf = dynamic_cast<const GgufCheckpoint*>(&checkpoint);
  return gguf != nullptr ? &gguf->metadata() : nullptr;
}

}  // namespace hadal
