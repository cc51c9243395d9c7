#include "lib/checkpoint/hf_config.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "absl/strings/strip.h"
#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kDamaged = "The file is damaged: download it again.";
constexpr absl::string_view kOtherModel =
    "hadal runs the DeepSeek-V3 family; use a checkpoint of one of its models.";
constexpr absl::string_view kOtherWeights =
    "Use the checkpoint in BF16 or in DeepSeek's FP8 with blocks, or a GGUF file.";

// What the classes of V3 take for what config.json leaves out. Those of V2 take what read_config()
// takes.
struct DefaultNumber {
  absl::string_view name;
  double value;
};
constexpr DefaultNumber kV3Numbers[] = {{"n_group", 8},
                                        {"topk_group", 4},
                                        {"n_shared_experts", 1},
                                        {"first_k_dense_replace", 3},
                                        {"routed_scaling_factor", 2.5}};

const DefaultNumber* v3_default(absl::string_view name) {
  for (const DefaultNumber& number : kV3Numbers) {
    if (number.name == name) return &number;
  }
  return nullptr;
}

// The value of a key; null (the pointer) if there is none or it is null.
const SortedJson* member(const SortedJson& object, absl::string_view key) {
  if (object.is_array()) {
    size_t index = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
    if (error != std::errc() || end != key.data() + key.size() || index >= object.size())
      return nullptr;
    return &object[index];
  }
  if (!object.is_object()) return nullptr;
  const auto found = object.find(std::string(key));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<int64_t> whole(const SortedJson& value) {
  if (const auto* number = value.get_ptr<const SortedJson::number_unsigned_t*>()) {
    if (*number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(*number);
  }
  if (const auto* number = value.get_ptr<const SortedJson::number_integer_t*>()) return *number;
  return std::nullopt;
}

bool is_text(const SortedJson& value, absl::string_view wanted) {
  const auto* text = value.get_ptr<const std::string*>();
  return text != nullptr && *text == wanted;
}

}  // namespace

absl::StatusOr<HfConfig> HfConfig::parse(absl::string_view text, const std::string& path,
                                         absl::string_view generation,
                                         const std::string& generation_path) {
  HfConfig config;
  config.path_ = path;
  config.generation_path_ = generation_path;
  HADAL_ASSIGN_OR_RETURN(config.config_, parse_tree(text, path));
  if (!config.config_->is_object()) {
    return fail(HADAL_E_FORMAT, absl::StrCat(path, ": wanted an object"), kDamaged);
  }
  config.generation_ = JsonTree(SortedJson::object());
  if (!generation.empty()) {
    HADAL_ASSIGN_OR_RETURN(config.generation_, parse_tree(generation, generation_path));
    if (!config.generation_->is_object()) {
      return fail(HADAL_E_FORMAT, absl::StrCat(generation_path, ": wanted an object"), kDamaged);
    }
  }
  const SortedJson* type = member(*config.config_, "model_type");
  const SortedJson* architectures = member(*config.config_, "architectures");
  const SortedJson* architecture = architectures != nullptr ? member(*architectures, "0") : nullptr;
  config.is_v2_ = type != nullptr           ? is_text(*type, "deepseek_v2")
                  : architecture != nullptr ? is_text(*architecture, "DeepseekV2ForCausalLM")
                                            : false;
  HADAL_RETURN_IF_ERROR(config.check());
  return config;
}

// Transformers 5 writes rope_parameters, with rope_theta in it, where rope_scaling was, and
// rope_type for type.
const SortedJson* HfConfig::find(absl::string_view name) const {
  const SortedJson* rope = member(*config_, "rope_scaling");
  if (rope == nullptr) rope = member(*config_, "rope_parameters");
  absl::string_view rest = name;
  if (absl::ConsumePrefix(&rest, "rope_scaling.")) {
    if (rope == nullptr) return nullptr;
    if (rest == "type" && member(*rope, "rope_type") != nullptr) rest = "rope_type";
    return member(*rope, rest);
  }
  if (name == "rope_theta" && member(*config_, name) == nullptr && rope != nullptr) {
    return member(*rope, name);
  }
  const SortedJson* value = &*config_;
  while (value != nullptr) {
    const size_t dot = rest.find('.');
    value = member(*value, rest.substr(0, dot));
    if (dot == absl::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  return value;
}

absl::StatusOr<std::optional<int64_t>> HfConfig::integer(absl::string_view name) const {
  if (name.substr(0, 13) == "rope_scaling." && !is_yarn()) return std::nullopt;
  const SortedJson* value = find(name);
  if (value == nullptr) {
    const DefaultNumber* number = is_v2_ ? nullptr : v3_default(name);
    if (number == nullptr) return std::nullopt;
    return static_cast<int64_t>(number->value);
  }
  const std::optional<int64_t> number = whole(*value);
  if (!number) return unwanted(name, "a whole number", *value);
  return number;
}

absl::StatusOr<std::optional<double>> HfConfig::real(absl::string_view name) const {
  if (name.substr(0, 13) == "rope_scaling." && !is_yarn()) return std::nullopt;
  const SortedJson* value = find(name);
  if (value == nullptr) {
    const DefaultNumber* number = is_v2_ ? nullptr : v3_default(name);
    if (number == nullptr) return std::nullopt;
    return number->value;
  }
  if (!value->is_number()) return unwanted(name, "a number", *value);
  return value->get<double>();
}

absl::StatusOr<std::optional<bool>> HfConfig::flag(absl::string_view name) const {
  const SortedJson* value = find(name);
  if (value == nullptr) {
    if (name == "norm_topk_prob" && !is_v2_) return true;
    return std::nullopt;
  }
  if (!value->is_boolean()) return unwanted(name, "true or false", *value);
  return value->get<bool>();
}

absl::StatusOr<std::optional<std::string>> HfConfig::text(absl::string_view name) const {
  if (name == "rope_scaling.type" && !is_yarn()) return std::nullopt;
  const SortedJson* value = find(name);
  if (value == nullptr) {
    // The class of V3 in Transformers knows these words no more, and works by them.
    if (name == "scoring_func" && !is_v2_) return "sigmoid";
    if (name == "topk_method" && !is_v2_) return "noaux_tc";
    return std::nullopt;
  }
  const auto* text = value->get_ptr<const std::string*>();
  if (text == nullptr) return unwanted(name, "a text", *value);
  return printable(*text);
}

std::string HfConfig::spelling(absl::string_view name) const {
  return absl::StrCat(path_, ": ", name);
}

absl::StatusOr<std::optional<int64_t>> HfConfig::bos_id() const {
  std::vector<int64_t> ids;
  HADAL_RETURN_IF_ERROR(append_ids(*generation_, generation_path_, "bos_token_id", &ids));
  HADAL_RETURN_IF_ERROR(append_ids(*config_, path_, "bos_token_id", &ids));
  return ids.empty() ? std::nullopt : std::optional(ids.front());
}

absl::StatusOr<std::vector<int64_t>> HfConfig::eos_ids() const {
  std::vector<int64_t> ids;
  HADAL_RETURN_IF_ERROR(append_ids(*generation_, generation_path_, "eos_token_id", &ids));
  HADAL_RETURN_IF_ERROR(append_ids(*config_, path_, "eos_token_id", &ids));
  return ids;
}

absl::Status HfConfig::append_ids(const SortedJson& object, const std::string& path,
                                  const char* key, std::vector<int64_t>* ids) const {
  const SortedJson* value = member(object, key);
  if (value == nullptr) return absl::OkStatus();
  const auto append = [&](const SortedJson& one) -> absl::Status {
    const std::optional<int64_t> id = whole(one);
    if (!id || *id < 0) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path, ": ", key, ": wanted the id of a token or several, found ",
                               write_sorted_json(one).substr(0, 100)),
                  kDamaged);
    }
    ids->push_back(*id);
    return absl::OkStatus();
  };
  if (!value->is_array()) return append(*value);
  for (const SortedJson& one : *value) HADAL_RETURN_IF_ERROR(append(one));
  return absl::OkStatus();
}

std::vector<std::string> HfConfig::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : config_->items()) keys.push_back(key);
  for (const auto& [key, value] : generation_->items())
    keys.push_back(absl::StrCat("generation_config.", key));
  return keys;
}

std::optional<std::string> HfConfig::formatted(absl::string_view key) const {
  const bool is_generation = absl::ConsumePrefix(&key, "generation_config.");
  const SortedJson& object = is_generation ? *generation_ : *config_;
  const auto found = object.find(std::string(key));
  if (found == object.end()) return std::nullopt;
  const auto* text = found->get_ptr<const std::string*>();
  return text != nullptr ? *text : write_sorted_json(*found);
}

bool HfConfig::is_yarn() const {
  const SortedJson* type = find("rope_scaling.type");
  return type != nullptr && is_text(*type, "yarn");
}

absl::Status HfConfig::check() const {
  HADAL_RETURN_IF_ERROR(check_model());
  HADAL_RETURN_IF_ERROR(check_quantization());
  HADAL_RETURN_IF_ERROR(check_rope());
  // What no model of the family has, or all have. Ignoring it would give fluent, wrong text.
  struct Fixed {
    const char* name;
    SortedJson wanted;
  };
  const Fixed fixed[] = {{"hidden_act", "silu"},
                         {"attention_bias", false},
                         {"moe_layer_freq", 1},
                         {"rope_interleave", true}};
  for (const Fixed& one : fixed) {
    const SortedJson* value = find(one.name);
    if (value != nullptr && *value != one.wanted) return unsupported(one.name, *value, kOtherModel);
  }
  return absl::OkStatus();
}

absl::Status HfConfig::check_model() const {
  if (const SortedJson* type = find("model_type")) {
    for (const absl::string_view known : {"deepseek_v3", "deepseek_v2", "kimi_k2"}) {
      if (is_text(*type, known)) return absl::OkStatus();
    }
    return unsupported("model_type", *type, kOtherModel);
  }
  const SortedJson* architecture = find("architectures.0");
  if (architecture == nullptr) {
    return fail(HADAL_E_FORMAT, absl::StrCat(path_, ": wanted model_type, found none"),
                "This is not the configuration of a whole model.");
  }
  for (const absl::string_view known : {"DeepseekV3ForCausalLM", "DeepseekV2ForCausalLM"}) {
    if (is_text(*architecture, known)) return absl::OkStatus();
  }
  return unsupported("architectures", *architecture, kOtherModel);
}

absl::Status HfConfig::check_quantization() const {
  const SortedJson* found = find("quantization_config");
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_object()) return unwanted("quantization_config", "an object", *found);
  const SortedJson* method = member(*found, "quant_method");
  if (method == nullptr || !is_text(*method, "fp8")) {
    return unsupported("quantization_config.quant_method", method ? *method : SortedJson(),
                       kOtherWeights);
  }
  const SortedJson* format = member(*found, "fmt");
  if (format != nullptr && !is_text(*format, "e4m3")) {
    return unsupported("quantization_config.fmt", *format, kOtherWeights);
  }
  const auto block = found->find("weight_block_size");
  if (block == found->end()) return absl::OkStatus();
  if (block->is_null()) {
    return unsupported("quantization_config.weight_block_size", *block, kOtherWeights);
  }
  if (!block->is_array() || block->size() != 2) {
    return unwanted("quantization_config.weight_block_size", "two numbers", *block);
  }
  return absl::OkStatus();
}

absl::Status HfConfig::check_rope() const {
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const SortedJson* rope = member(*config_, name);
    if (rope != nullptr && !rope->is_object()) return unwanted(name, "an object", *rope);
  }
  const SortedJson* type = find("rope_scaling.type");
  if (type == nullptr) return absl::OkStatus();
  if (!type->is_string()) return unwanted("rope_scaling.type", "a text", *type);
  if (is_text(*type, "default") || is_text(*type, "none")) return absl::OkStatus();
  if (!is_text(*type, "yarn")) return unsupported("rope_scaling.type", *type, kOtherModel);
  if (const SortedJson* factor = find("rope_scaling.attention_factor")) {
    return unsupported("rope_scaling.attention_factor", *factor, kOtherModel);
  }
  return absl::OkStatus();
}

absl::Status HfConfig::unwanted(absl::string_view name, absl::string_view wanted,
                                const SortedJson& found) const {
  return fail(HADAL_E_FORMAT,
              absl::StrCat(spelling(name), ": wanted ", wanted, ", found ",
                           printable(write_sorted_json(found))),
              kDamaged);
}

absl::Status HfConfig::unsupported(absl::string_view name, const SortedJson& found,
                                   absl::string_view hint) const {
  return fail(
      HADAL_E_UNSUPPORTED,
      absl::StrCat(spelling(name), ": hadal cannot run ", printable(write_sorted_json(found))),
      hint);
}

}  // namespace hadal
