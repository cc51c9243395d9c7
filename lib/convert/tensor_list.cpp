#include "lib/convert/tensor_list.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/base/hash_map.hpp"
#include "lib/checkpoint/gguf_checkpoint.hpp"
#include "lib/checkpoint/gguf_names.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kScales = ".weight_scale_inv";
constexpr absl::string_view kDamaged =
    "Configuration and weights are of different models, or a file is damaged: download it again.";

// A number in front of a dot, taken off.
std::optional<int64_t> take_number(absl::string_view* text) {
  int64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || stop == end || *stop != '.' || number < 0) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(stop - text->data()) + 1);
  return number;
}

// The layer that a tensor belongs to, if it does.
std::optional<int64_t> layer_of(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "layers.")) return std::nullopt;
  return take_number(&name);
}

bool is_scales(const TensorEntry& entry) {
  return absl::EndsWith(entry.name, kScales) || absl::EndsWith(entry.name, "_scale_inv");
}

// Of the rotary positions, which everybody computes; old checkpoints have it.
bool is_table(const TensorEntry& entry) {
  return absl::EndsWith(entry.name, "rotary_emb.inv_freq");
}

// "layers.3.mlp.experts.7.up_proj": the name of the stack, and 7.
struct ExpertName {
  std::string stack;
  int64_t number;
};
std::optional<ExpertName> expert_name(absl::string_view name) {
  constexpr absl::string_view kExperts = ".mlp.experts.";
  const size_t at = name.find(kExperts);
  if (at == absl::string_view::npos) return std::nullopt;
  absl::string_view rest = name.substr(at + kExperts.size());
  const std::optional<int64_t> number = take_number(&rest);
  if (!number) return std::nullopt;
  return ExpertName{absl::StrCat(name.substr(0, at + kExperts.size()), rest), *number};
}

int64_t rows_of(const TensorEntry& entry) {
  int64_t n = 1;
  for (size_t i = 0; i + 1 < entry.shape.size(); ++i) n *= entry.shape[i];
  return n;
}

class Lister {
 public:
  Lister(const Checkpoint& checkpoint, const ModelConfig& config, const ConversionOptions& options)
      : checkpoint_(checkpoint), config_(config), options_(options) {}

  absl::StatusOr<TensorList> for_gguf(const Log& log) {
    HADAL_RETURN_IF_ERROR(count_mtp_layers());
    const bool from_gguf = gguf_metadata_of(checkpoint_) != nullptr;
    choose_kv_b_form(from_gguf);
    for (const TensorEntry& entry : checkpoint_.manifest().entries()) {
      if (is_scales(entry) || is_table(entry) || !is_wanted(entry.name)) continue;
      HADAL_RETURN_IF_ERROR(add(entry));
    }
    HADAL_RETURN_IF_ERROR(check_stacks());
    if (list_.tensors.empty()) {
      return fail(HADAL_E_UNSUPPORTED,
                  absl::StrCat(checkpoint_.files()[0]->path(), ": nothing is left to be written"),
                  "A file with the MTP layer alone has nothing else: keep the layer, or take the "
                  "file of the model.");
    }
    for (OutputTensor& tensor : list_.tensors) {
      tensor.name_in_file = gguf_tensor_name(tensor.name);
      if (!tensor.name_in_file.empty()) continue;
      if (!from_gguf) {
        return fail(HADAL_E_UNSUPPORTED,
                    absl::StrCat(file_of(*tensor.runs[0].source), ": the tensor ",
                                 tensor.runs[0].source->name_in_file, " has no name in GGUF"),
                    "The model has something that hadal does not know; a file without it would "
                    "answer wrongly.");
      }
      tensor.name_in_file = tensor.name;  // as it was
    }
    // Directories are sorted by name, which puts layer 10 before layer 2.
    if (!from_gguf) {
      std::stable_sort(list_.tensors.begin(), list_.tensors.end(),
                       [](const OutputTensor& a, const OutputTensor& b) {
                         return place_of(a.name) < place_of(b.name);
                       });
    }
    warn_of_layers_left_out(log);
    return std::move(list_);
  }

  absl::StatusOr<TensorList> for_safetensors(bool dequantised) {
    HADAL_RETURN_IF_ERROR(count_mtp_layers());
    for (const TensorEntry& entry : checkpoint_.manifest().entries()) {
      if ((dequantised && is_scales(entry)) || !is_wanted(entry.name)) continue;
      OutputTensor tensor = plain(entry);
      tensor.name_in_file = entry.name_in_file;
      if (dequantised) HADAL_RETURN_IF_ERROR(find_scales(tensor.runs[0]));
      list_.tensors.push_back(std::move(tensor));
    }
    return std::move(list_);
  }

 private:
  std::string file_of(const TensorEntry& entry) const {
    return checkpoint_.files()[static_cast<size_t>(entry.file)]->path();
  }
  absl::Status wrong(const TensorEntry& entry, absl::string_view what) const {
    return fail(HADAL_E_FORMAT,
                absl::StrCat(file_of(entry), ": the tensor ", entry.name_in_file, " ", what),
                kDamaged);
  }

  absl::Status count_mtp_layers() {
    list_.n_mtp_layers = options_.mtp == MtpLayers::kDrop ? 0 : config_.num_nextn_predict_layers;
    if (options_.mtp != MtpLayers::kOnly || list_.n_mtp_layers > 0) return absl::OkStatus();
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat(checkpoint_.files()[0]->path(), ": no MTP layer to be written alone"),
                "Take a checkpoint with one; most GGUF files are made without.");
  }

  bool is_wanted(absl::string_view name) const {
    const std::optional<int64_t> layer = layer_of(name);
    const bool is_mtp = layer && *layer >= config_.num_hidden_layers;
    if (options_.mtp == MtpLayers::kOnly) return is_mtp && is_mtp_layer(*layer);
    return !is_mtp || is_mtp_layer(*layer);
  }
  bool is_mtp_layer(int64_t layer) const {
    return layer < config_.num_hidden_layers + list_.n_mtp_layers;
  }

  void warn_of_layers_left_out(const Log& log) const {
    if (options_.mtp == MtpLayers::kDrop) return;
    for (const TensorEntry& entry : checkpoint_.manifest().entries()) {
      const std::optional<int64_t> layer = layer_of(entry.name);
      if (!layer || *layer < config_.num_hidden_layers || is_mtp_layer(*layer)) continue;
      log.warning("convert",
                  absl::StrCat("layer ", *layer,
                               " is left out: the configuration knows no MTP layer of that number "
                               "(num_nextn_predict_layers)"));
      return;
    }
  }

  // Where both forms lie side by side, as in files for ik_llama.cpp, "keep" keeps both.
  void choose_kv_b_form(bool from_gguf) {
    bool is_joint = false;
    for (const TensorEntry& entry : checkpoint_.manifest().entries()) {
      if (absl::EndsWith(entry.name, ".kv_b_proj")) is_joint = true;
      if (absl::EndsWith(entry.name, ".k_b_proj")) {
        is_joint = false;
        break;
      }
    }
    form_ = options_.kv_b;
    if (form_ == KvBForm::kAuto) form_ = from_gguf ? KvBForm::kKeep : KvBForm::kSplit;
    list_.kv_b_is_joint = form_ == KvBForm::kJoint || (form_ == KvBForm::kKeep && is_joint);
  }

  bool has(const std::string& name) const { return checkpoint_.manifest().find(name) != nullptr; }

  absl::Status add(const TensorEntry& entry) {
    if (const std::optional<ExpertName> expert = expert_name(entry.name))
      return add_expert(entry, *expert);
    absl::string_view p = entry.name;
    if (absl::ConsumeSuffix(&p, "kv_b_proj") && form_ == KvBForm::kSplit) {
      return has(absl::StrCat(p, "k_b_proj")) ? absl::OkStatus() : split_kv_b(entry, p);
    }
    p = entry.name;
    if (absl::ConsumeSuffix(&p, ".k_b_proj") && form_ == KvBForm::kJoint) {
      const std::string prefix = absl::StrCat(p, ".");
      return has(prefix + "kv_b_proj") ? absl::OkStatus() : join_kv_b(entry, prefix);
    }
    if (absl::EndsWith(entry.name, ".v_b_proj") && form_ == KvBForm::kJoint)
      return absl::OkStatus();  // comes with the other half
    return append(plain(entry));
  }

  OutputTensor plain(const TensorEntry& entry) const {
    OutputTensor tensor;
    tensor.name = entry.name;
    tensor.dtype = entry.dtype;
    tensor.shape = entry.shape;
    tensor.runs.push_back({&entry, nullptr, rows_of(entry), 0, false});
    return tensor;
  }

  absl::Status append(OutputTensor tensor) {
    for (RowRun& run : tensor.runs) HADAL_RETURN_IF_ERROR(find_scales(run));
    list_.tensors.push_back(std::move(tensor));
    return absl::OkStatus();
  }

  absl::Status find_scales(RowRun& run) const {
    const TensorEntry& entry = *run.source;
    if (entry.dtype != DType::kF8_E4M3) return absl::OkStatus();
    const std::string name = absl::StrCat(entry.name, kScales);
    run.scales = checkpoint_.manifest().find(name);
    if (run.scales == nullptr) return wrong(entry, "has no scales beside it (weight_scale_inv)");
    const auto blocks = [](int64_t n, int64_t size) { return (n + size - 1) / size; };
    const std::vector<int64_t> wanted = {blocks(rows_of(entry), config_.weight_block_rows),
                                         blocks(entry.shape.back(), config_.weight_block_cols)};
    if (entry.shape.size() == 2 && run.scales->shape == wanted && info(run.scales->dtype).is_weight)
      return absl::OkStatus();
    return wrong(*run.scales,
                 absl::StrCat("has the shape [", absl::StrJoin(run.scales->shape, ", "),
                              "], wanted [", absl::StrJoin(wanted, ", "), "] in a float type"));
  }

  // The stack stands where its first expert was found.
  absl::Status add_expert(const TensorEntry& entry, const ExpertName& expert) {
    const auto experts = static_cast<size_t>(config_.n_routed_experts);
    if (entry.shape.size() != 2 || expert.number >= config_.n_routed_experts) {
      return wrong(entry, absl::StrCat("was to be a matrix of one of ", experts, " experts"));
    }
    const auto [found, is_new] = stacks_.try_emplace(expert.stack, list_.tensors.size());
    if (is_new) {
      OutputTensor stack;
      stack.name = expert.stack;
      stack.dtype = entry.dtype;
      stack.shape = {config_.n_routed_experts, entry.shape[0], entry.shape[1]};
      stack.runs.resize(experts);
      list_.tensors.push_back(std::move(stack));
    }
    OutputTensor& stack = list_.tensors[found->second];
    if (entry.shape[0] != stack.shape[1] || entry.shape[1] != stack.shape[2])
      return wrong(entry, "has another shape than the experts beside it");
    RowRun& run = stack.runs[static_cast<size_t>(expert.number)];
    run = {&entry, nullptr, entry.shape[0], 0, false};
    return find_scales(run);
  }

  absl::Status check_stacks() const {
    for (const auto& [name, index] : stacks_) {
      const std::vector<RowRun>& runs = list_.tensors[index].runs;
      for (size_t e = 0; e < runs.size(); ++e) {
        if (runs[e].source != nullptr) continue;
        return fail(HADAL_E_FORMAT,
                    absl::StrCat(checkpoint_.files()[0]->path(), ": ", name, ": expert ", e, " of ",
                                 runs.size(), " is missing"),
                    kDamaged);
      }
    }
    return absl::OkStatus();
  }

  // Per head qk_nope_head_dim rows that make keys, then v_head_dim rows that make values.
  absl::Status split_kv_b(const TensorEntry& entry, absl::string_view p) {
    const int64_t heads = config_.num_attention_heads, rank = config_.kv_lora_rank;
    const int64_t nope = config_.qk_nope_head_dim, v = config_.v_head_dim;
    HADAL_RETURN_IF_ERROR(check_shape(entry, {{heads * (nope + v), rank}}));
    OutputTensor keys = plain(entry), values = plain(entry);
    keys.name = absl::StrCat(p, "k_b_proj");
    keys.shape = {heads, rank, nope};
    keys.runs.clear();
    values.name = absl::StrCat(p, "v_b_proj");
    values.shape = {heads, v, rank};
    values.runs.clear();
    for (int64_t h = 0; h < heads; ++h) {
      keys.runs.push_back({&entry, nullptr, rank, h * (nope + v), true});
      values.runs.push_back({&entry, nullptr, v, h * (nope + v) + nope, false});
    }
    HADAL_RETURN_IF_ERROR(append(std::move(keys)));
    return append(std::move(values));
  }

  absl::Status join_kv_b(const TensorEntry& keys, const std::string& p) {
    const int64_t heads = config_.num_attention_heads, rank = config_.kv_lora_rank;
    const int64_t nope = config_.qk_nope_head_dim, v = config_.v_head_dim;
    const TensorEntry* values = checkpoint_.manifest().find(p + "v_b_proj");
    if (values == nullptr) return wrong(keys, "has no attn_v_b beside it");
    HADAL_RETURN_IF_ERROR(check_shape(keys, {{heads, rank, nope}, {heads * rank, nope}}));
    HADAL_RETURN_IF_ERROR(check_shape(*values, {{heads, v, rank}, {heads * v, rank}}));
    OutputTensor joint = plain(keys);
    joint.name = p + "kv_b_proj";
    joint.shape = {heads * (nope + v), rank};
    joint.runs.clear();
    for (int64_t h = 0; h < heads; ++h) {
      joint.runs.push_back({&keys, nullptr, nope, h * rank, true});
      joint.runs.push_back({values, nullptr, v, h * v, false});
    }
    return append(std::move(joint));
  }

  absl::Status check_shape(const TensorEntry& entry,
                           const std::vector<std::vector<int64_t>>& wanted) const {
    if (std::find(wanted.begin(), wanted.end(), entry.shape) != wanted.end())
      return absl::OkStatus();
    return wrong(entry, absl::StrCat("has the shape [", absl::StrJoin(entry.shape, ", "),
                                     "], wanted [", absl::StrJoin(wanted[0], ", "), "]"));
  }

  // The embedding first, the layers, then the rest.
  static int64_t place_of(absl::string_view name) {
    if (const std::optional<int64_t> layer = layer_of(name)) return *layer;
    return name == "embed_tokens" ? -1 : INT64_MAX;
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const ConversionOptions& options_;
  KvBForm form_ = KvBForm::kKeep;
  HashMap<std::string, size_t> stacks_;
  TensorList list_;
};

}  // namespace

absl::StatusOr<TensorList> list_gguf_tensors(const Checkpoint& checkpoint,
                                             const ModelConfig& config,
                                             const ConversionOptions& options, const Log& log) {
  return Lister(checkpoint, config, options).for_gguf(log);
}

absl::StatusOr<TensorList> list_safetensors_tensors(const Checkpoint& checkpoint,
                                                    const ModelConfig& config,
                                                    const ConversionOptions& options,
                                                    bool dequantised) {
  return Lister(checkpoint, config, options).for_safetensors(dequantised);
}

}  // namespace hadal
