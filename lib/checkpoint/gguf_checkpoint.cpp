#include "lib/checkpoint/gguf_checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "absl/strings/strip.h"
#include "lib/checkpoint/gguf_set.hpp"
#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kArchitecture = "deepseek2";

// ---- Names
// ---------------------------------------------------------------------------------------

enum class Kind { kInteger, kReal, kFlag, kText, kStrings, kIntegers };

// Keys that hadal reads, with the type that each must have. `name` is config.json's; null where no
// number of config.json corresponds.
struct KeyName {
  const char* key;  // behind "deepseek2." unless it begins with a dot
  Kind kind;
  const char* name;
};
constexpr KeyName kKeys[] = {
    {"vocab_size", Kind::kInteger, "vocab_size"},
    {"embedding_length", Kind::kInteger, "hidden_size"},
    {"block_count", Kind::kInteger, "num_hidden_layers"},
    {"nextn_predict_layers", Kind::kInteger, "num_nextn_predict_layers"},
    {"leading_dense_block_count", Kind::kInteger, "first_k_dense_replace"},
    {"feed_forward_length", Kind::kInteger, "intermediate_size"},
    {"context_length", Kind::kInteger, "max_position_embeddings"},
    {"attention.head_count", Kind::kInteger, "num_attention_heads"},
    {"attention.head_count_kv", Kind::kInteger, nullptr},
    {"attention.q_lora_rank", Kind::kInteger, "q_lora_rank"},
    {"attention.kv_lora_rank", Kind::kInteger, "kv_lora_rank"},
    {"attention.key_length", Kind::kInteger, nullptr},
    {"attention.value_length", Kind::kInteger, nullptr},
    {"attention.key_length_mla", Kind::kInteger, "qk_nope_head_dim"},
    {"attention.value_length_mla", Kind::kInteger, "v_head_dim"},
    {"attention.layer_norm_rms_epsilon", Kind::kReal, "rms_norm_eps"},
    {"attention.temperature_scale", Kind::kReal, nullptr},
    {"rope.dimension_count", Kind::kInteger, "qk_rope_head_dim"},
    {"rope.freq_base", Kind::kReal, "rope_theta"},
    {"rope.scaling.type", Kind::kText, "rope_scaling.type"},
    {"rope.scaling.factor", Kind::kReal, "rope_scaling.factor"},
    {"rope.scaling.original_context_length", Kind::kInteger,
     "rope_scaling.original_max_position_embeddings"},
    {"rope.scaling.yarn_beta_fast", Kind::kReal, "rope_scaling.beta_fast"},
    {"rope.scaling.yarn_beta_slow", Kind::kReal, "rope_scaling.beta_slow"},
    {"rope.scaling.yarn_log_multiplier", Kind::kReal, "rope_scaling.mscale"},
    {"rope.scaling.yarn_log_multiplier", Kind::kReal, "rope_scaling.mscale_all_dim"},
    {"rope.scaling.yarn_ext_factor", Kind::kReal, nullptr},
    {"rope.scaling.yarn_attn_factor", Kind::kReal, nullptr},
    {"rope.scaling.attn_factor", Kind::kReal, nullptr},
    {"expert_count", Kind::kInteger, "n_routed_experts"},
    {"expert_used_count", Kind::kInteger, "num_experts_per_tok"},
    {"expert_shared_count", Kind::kInteger, "n_shared_experts"},
    {"expert_feed_forward_length", Kind::kInteger, "moe_intermediate_size"},
    {"expert_group_count", Kind::kInteger, "n_group"},
    {"expert_group_used_count", Kind::kInteger, "topk_group"},
    {"expert_weights_scale", Kind::kReal, "routed_scaling_factor"},
    {"expert_weights_norm", Kind::kFlag, "norm_topk_prob"},
    {"expert_gating_func", Kind::kInteger, "scoring_func"},
    {".general.architecture", Kind::kText, nullptr},
    {".general.type", Kind::kText, nullptr},
    {".general.quantization_version", Kind::kInteger, nullptr},
    {".tokenizer.ggml.model", Kind::kText, nullptr},
    {".tokenizer.ggml.pre", Kind::kText, nullptr},
    {".tokenizer.ggml.tokens", Kind::kStrings, nullptr},
    {".tokenizer.ggml.token_type", Kind::kIntegers, nullptr},
    {".tokenizer.ggml.merges", Kind::kStrings, nullptr},
    {".tokenizer.ggml.bos_token_id", Kind::kInteger, nullptr},
    {".tokenizer.ggml.eos_token_id", Kind::kInteger, nullptr},
    {".tokenizer.ggml.eot_token_id", Kind::kInteger, nullptr},
    {".tokenizer.ggml.eom_token_id", Kind::kInteger, nullptr},
    {".tokenizer.ggml.add_bos_token", Kind::kFlag, nullptr},
    {".tokenizer.chat_template", Kind::kText, nullptr},
};

std::string full_key(absl::string_view key) {
  if (absl::ConsumePrefix(&key, ".")) return std::string(key);
  return absl::StrCat(kArchitecture, ".", key);
}

struct TensorName {
  const char* in_file;
  const char* name;
};
constexpr TensorName kModelTensors[] = {
    {"token_embd.weight", "embed_tokens"},
    {"output_norm.weight", "norm"},
    {"output.weight", "lm_head"},
};
// Behind "blk.<N>." there, behind "layers.<N>." here.
constexpr TensorName kLayerTensors[] = {
    {"attn_norm.weight", "input_layernorm"},
    {"ffn_norm.weight", "post_attention_layernorm"},
    {"attn_q.weight", "self_attn.q_proj"},
    {"attn_q_a.weight", "self_attn.q_a_proj"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm"},
    {"attn_q_b.weight", "self_attn.q_b_proj"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm"},
    {"attn_kv_b.weight", "self_attn.kv_b_proj"},
    {"attn_k_b.weight", "self_attn.k_b_proj"},
    {"attn_v_b.weight", "self_attn.v_b_proj"},
    {"attn_output.weight", "self_attn.o_proj"},
    {"ffn_gate.weight", "mlp.gate_proj"},
    {"ffn_up.weight", "mlp.up_proj"},
    {"ffn_down.weight", "mlp.down_proj"},
    {"ffn_gate_inp.weight", "mlp.gate"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"exp_probs_b", "mlp.gate.e_score_correction_bias"},
    {"ffn_gate_exps.weight", "mlp.experts.gate_proj"},
    {"ffn_up_exps.weight", "mlp.experts.up_proj"},
    {"ffn_down_exps.weight", "mlp.experts.down_proj"},
    {"ffn_gate_up_exps.weight", "mlp.experts.gate_up_proj"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj"},
    {"nextn.eh_proj.weight", "eh_proj"},
    {"nextn.embed_tokens.weight", "embed_tokens"},
    {"nextn.enorm.weight", "enorm"},
    {"nextn.hnorm.weight", "hnorm"},
    {"nextn.shared_head_head.weight", "shared_head.head"},
    {"nextn.shared_head_norm.weight", "shared_head.norm"},
};

// A layer's number as "blk.<N>." spells it: no sign, no zeros in front, small enough to count.
bool is_layer_number(absl::string_view digits) {
  uint32_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  return error == std::errc() && stop == end && (digits == "0" || digits[0] != '0');
}

// hadal's name for a tensor, or the file's own where hadal has none.
std::string translated(absl::string_view in_file) {
  for (const TensorName& entry : kModelTensors) {
    if (in_file == entry.in_file) return entry.name;
  }
  absl::string_view rest = in_file;
  if (!absl::ConsumePrefix(&rest, "blk.")) return std::string(in_file);
  const size_t dot = rest.find('.');
  if (dot == absl::string_view::npos || dot == 0) return std::string(in_file);
  const absl::string_view layer = rest.substr(0, dot);
  rest.remove_prefix(dot + 1);
  if (!is_layer_number(layer)) return std::string(in_file);
  for (const TensorName& entry : kLayerTensors) {
    if (rest == entry.in_file) return absl::StrCat("layers.", layer, ".", entry.name);
  }
  return std::string(in_file);
}

// ---- The checkpoint
// ------------------------------------------------------------------------------

constexpr absl::string_view kOtherModel =
    "hadal runs the DeepSeek-V3 family; use a file of one of its models.";
constexpr absl::string_view kDamaged =
    "The file is damaged or was written wrongly: compare its checksum, get another copy.";

class GgufCheckpoint : public Checkpoint {
 public:
  explicit GgufCheckpoint(std::vector<GgufFile> shards) : shards_(std::move(shards)) {
    for (const GgufFile& shard : shards_) files_.push_back(shard.file);
  }

  // Everything that can be said about the file without knowing the model.
  absl::Status check(const CheckpointOptions& options, const Log& log) {
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
    const KeyName* known = find_key(name, Kind::kInteger);
    if (known == nullptr) return std::nullopt;
    return metadata().integer(full_key(known->key));
  }

  absl::StatusOr<std::optional<double>> real(absl::string_view name) const override {
    if (is_rope_scaling(name) && !is_yarn()) return std::nullopt;
    const KeyName* known = find_key(name, Kind::kReal);
    if (known == nullptr) return std::nullopt;
    HADAL_ASSIGN_OR_RETURN(const std::optional<double> value,
                           metadata().real(full_key(known->key)));
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
    const KeyName* known = find_key(name, Kind::kFlag);
    if (known == nullptr) return std::nullopt;
    HADAL_ASSIGN_OR_RETURN(const std::optional<bool> value, metadata().flag(full_key(known->key)));
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
    for (const KeyName& entry : kKeys) {
      if (entry.name != nullptr && name == entry.name) found = entry.key;
    }
    std::string spelled = name == "topk_method"           ? "exp_probs_b.bias"
                          : name == "tie_word_embeddings" ? "output.weight"
                          : name == "qk_nope_head_dim"    ? head_key("key_length")
                          : name == "v_head_dim"          ? head_key("value_length")
                                                          : full_key(found);
    return absl::StrCat(path(), ": ", spelled);
  }

  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::shared_ptr<const File>>& files() const override { return files_; }
  absl::StatusOr<Vocabulary> vocabulary() const override;

  std::vector<std::string> metadata_keys() const override {
    std::vector<std::string> keys;
    for (const GgufMetadata::Entry& entry : metadata().entries()) keys.push_back(entry.key);
    return keys;
  }
  std::optional<std::string> metadata(absl::string_view key) const override {
    return metadata().formatted(key);
  }

 private:
  // The first file of a set carries the metadata of all.
  const GgufMetadata& metadata() const { return shards_.front().metadata; }
  const std::string& path() const { return shards_.front().file->path(); }
  bool has(absl::string_view key) const { return metadata().find(key) != nullptr; }

  static std::string key(absl::string_view suffix) {
    return absl::StrCat(kArchitecture, ".", suffix);
  }
  static const KeyName* find_key(absl::string_view name, Kind kind) {
    for (const KeyName& entry : kKeys) {
      if (entry.name != nullptr && entry.kind == kind && name == entry.name) return &entry;
    }
    return nullptr;
  }
  static bool is_rope_scaling(absl::string_view name) {
    return absl::ConsumePrefix(&name, "rope_scaling.");
  }

  absl::Status wrong(absl::string_view key, absl::string_view wanted,
                     absl::string_view found) const {
    const GgufMetadata::Entry* entry = metadata().find(key);
    HADAL_CHECK(entry != nullptr);
    return metadata().unwanted(*entry, wanted, found);
  }
  absl::Status unsupported(absl::string_view key, absl::string_view found,
                           absl::string_view hint = kOtherModel) const {
    const GgufMetadata::Entry* entry = metadata().find(key);
    HADAL_CHECK(entry != nullptr);
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat(path(), ": ", key, " (at byte ", entry->at, ") is ", found,
                             ", which hadal cannot run"),
                hint);
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
    if (*architecture != kArchitecture) {
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
    for (const KeyName& entry : kKeys) {
      const std::string key = full_key(entry.key);
      switch (entry.kind) {
        case Kind::kInteger: HADAL_RETURN_IF_ERROR(m.integer(key).status()); break;
        case Kind::kReal: HADAL_RETURN_IF_ERROR(m.real(key).status()); break;
        case Kind::kFlag: HADAL_RETURN_IF_ERROR(m.flag(key).status()); break;
        case Kind::kText: HADAL_RETURN_IF_ERROR(m.text(key).status()); break;
        case Kind::kStrings: HADAL_RETURN_IF_ERROR(m.strings(key).status()); break;
        case Kind::kIntegers: HADAL_RETURN_IF_ERROR(m.integers(key).status()); break;
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
        entry.name = translated(tensor.name);
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

  // block_count includes the MTP layers, if the file has them at all (traps.md M15).
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
    const std::string old_style = absl::StrCat(kArchitecture, ".attention.", length);
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
  // and worse (traps.md G11).
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

  // Kimi-K2 was trained with betas 1 and 1; its files made before December 2025 do not say so
  // (traps.md A18, F5).
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
  Manifest manifest_;
  bool has_correction_bias_ = false;
  int64_t num_hidden_layers_ = 0;
  int64_t num_nextn_predict_layers_ = 0;
  bool groups_are_v3s_ = false;
  bool betas_are_one_ = false;
};

// ---- Vocabulary
// ----------------------------------------------------------------------------------

// The file's kinds: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
std::optional<TokenKind> token_kind(const GgufScalar& number) {
  int64_t kind = 0;
  if (const auto* value = std::get_if<int64_t>(&number)) kind = *value;
  if (const auto* value = std::get_if<uint64_t>(&number))
    kind = *value > 6 ? 0 : static_cast<int64_t>(*value);
  switch (kind) {
    case 1: return TokenKind::kNormal;
    case 2:
    case 3: return TokenKind::kControl;
    case 4: return TokenKind::kUserDefined;
    case 5: return TokenKind::kUnused;
    default:
      return std::nullopt;  // bytes as tokens belong to vocabularies without GPT-2's alphabet
  }
}

absl::StatusOr<Vocabulary> GgufCheckpoint::vocabulary() const {
  const GgufMetadata& m = metadata();
  Vocabulary vocabulary;
  vocabulary.source = path();

  HADAL_ASSIGN_OR_RETURN(const std::optional<std::string> model, m.text("tokenizer.ggml.model"));
  HADAL_ASSIGN_OR_RETURN(const GgufArray* tokens, m.strings("tokenizer.ggml.tokens"));
  HADAL_ASSIGN_OR_RETURN(const GgufArray* kinds, m.integers("tokenizer.ggml.token_type"));
  HADAL_ASSIGN_OR_RETURN(const GgufArray* merges, m.strings("tokenizer.ggml.merges"));
  if (!model || tokens == nullptr || merges == nullptr) {
    return fail(HADAL_E_FORMAT,
                absl::StrCat(path(),
                             ": wanted the keys tokenizer.ggml.model, .tokens and .merges, "
                             "found only some of them"),
                "The file has no whole vocabulary: convert the model again with its tokenizer.");
  }
  if (*model != "gpt2") return unsupported("tokenizer.ggml.model", printable(*model));

  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> rows, vocab_size());
  const auto n_tokens = static_cast<int64_t>(tokens->n_elements);  // limited by the reader
  if (n_tokens < 1 || n_tokens > *rows || n_tokens > std::numeric_limits<int32_t>::max()) {
    return wrong("tokenizer.ggml.tokens", absl::StrCat("1 to ", *rows, " tokens (vocab_size)"),
                 absl::StrCat(n_tokens));
  }
  if (kinds != nullptr && kinds->n_elements != tokens->n_elements) {
    return wrong("tokenizer.ggml.token_type", absl::StrCat(n_tokens, " elements, one per token"),
                 absl::StrCat(kinds->n_elements));
  }
  vocabulary.tokens.reserve(static_cast<size_t>(n_tokens));
  GgufElements texts(*tokens);
  std::optional<GgufElements> numbers;
  if (kinds != nullptr) numbers.emplace(*kinds);
  while (const auto text = texts.next_string()) {
    Vocabulary::Token& token = vocabulary.tokens.emplace_back();
    token.text = std::string(*text);
    if (!numbers) continue;
    const std::optional<GgufScalar> number = numbers->next_scalar();
    const std::optional<TokenKind> kind = number ? token_kind(*number) : std::nullopt;
    if (!kind) {
      return wrong("tokenizer.ggml.token_type", "kinds 1 to 5",
                   absl::StrCat("another one for token ", vocabulary.tokens.size() - 1));
    }
    token.kind = *kind;
  }
  vocabulary.merges.reserve(static_cast<size_t>(merges->n_elements));
  GgufElements pairs(*merges);
  while (const auto pair = pairs.next_string()) vocabulary.merges.emplace_back(*pair);

  const auto token_id = [&](absl::string_view key) -> absl::StatusOr<std::optional<int32_t>> {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> id, m.integer(key));
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= n_tokens) {
      return wrong(key, absl::StrCat("the id of one of ", n_tokens, " tokens"), absl::StrCat(*id));
    }
    return static_cast<int32_t>(*id);
  };
  HADAL_ASSIGN_OR_RETURN(vocabulary.bos_id, token_id("tokenizer.ggml.bos_token_id"));
  for (const absl::string_view key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                      "tokenizer.ggml.eom_token_id"}) {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int32_t> id, token_id(key));
    std::vector<int32_t>& ids = vocabulary.eos_ids;
    if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  }
  HADAL_ASSIGN_OR_RETURN(const std::optional<bool> add_bos, m.flag("tokenizer.ggml.add_bos_token"));
  HADAL_ASSIGN_OR_RETURN(std::optional<std::string> pre, m.text("tokenizer.ggml.pre"));
  HADAL_ASSIGN_OR_RETURN(std::optional<std::string> chat, m.text("tokenizer.chat_template"));
  vocabulary.pre_tokenizer = std::move(pre).value_or("");
  // DeepSeek's own tokenizers begin every text with BOS; Kimi's templates do without.
  vocabulary.add_bos = add_bos.value_or(vocabulary.pre_tokenizer != "kimi-k2");
  vocabulary.chat_template = std::move(chat).value_or("");
  return vocabulary;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> open_gguf_checkpoint(FileSystem& files,
                                                                 std::shared_ptr<const File> given,
                                                                 const CheckpointOptions& options,
                                                                 const Log& log) {
  HADAL_ASSIGN_OR_RETURN(std::vector<GgufFile> shards,
                         read_gguf_set(files, std::move(given), options));
  auto checkpoint = std::make_unique<GgufCheckpoint>(std::move(shards));
  HADAL_RETURN_IF_ERROR(checkpoint->check(options, log));
  return checkpoint;
}

}  // namespace hadal
