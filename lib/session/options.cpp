#include "lib/session/options.hpp"

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

constexpr OptionInfo i64(int32_t key, int32_t scope, const char* name, int64_t min, int64_t max,
                         int64_t otherwise, const char* summary) {
  return {key, HADAL_TYPE_I64, scope, name, min, max, otherwise, 0, 0, 0, "", summary};
}
constexpr OptionInfo f64(int32_t key, int32_t scope, const char* name, double min, double max,
                         double otherwise, const char* summary) {
  return {key, HADAL_TYPE_F64, scope, name, 0, 0, 0, min, max, otherwise, "", summary};
}
constexpr OptionInfo str(int32_t key, int32_t scope, const char* name, const char* otherwise,
                         const char* summary) {
  return {key, HADAL_TYPE_STR, scope, name, 0, 0, 0, 0, 0, 0, otherwise, summary};
}

constexpr int32_t kRuntime = HADAL_SCOPE_RUNTIME, kModel = HADAL_SCOPE_MODEL;
constexpr int32_t kSession = HADAL_SCOPE_SESSION, kSampler = HADAL_SCOPE_SAMPLER;
constexpr int32_t kRequest = HADAL_SCOPE_REQUEST, kConvert = HADAL_SCOPE_CONVERT;
constexpr int64_t kMany = INT64_MAX;
constexpr int64_t kMi = int64_t{1} << 20;

// clang-format off
constexpr OptionInfo kOptions[] = {
    i64(HADAL_OPT_THREADS, kRuntime, "threads", -1, 1024, -1,
        "own threads in all; 0: work moves only inside step and wait; -1: one per core"),
    i64(HADAL_OPT_HOST_BYTES, kRuntime, "host_bytes", 0, kMany, 0,
        "hard budget for host memory in bytes; 0: none"),
    i64(HADAL_OPT_DETERMINISM, kRuntime, "determinism", 1, 3, 1,
        "1 same bits per machine and options, 2 whatever the threads and batches, 3 on every machine"),
    i64(HADAL_OPT_UNTRUSTED, kRuntime, "untrusted", 0, 1, 0,
        "files may be hostile: never map them"),
    str(HADAL_OPT_BACKEND, kModel, "backend", "auto", "auto, cpu, onednn or reference"),
    i64(HADAL_OPT_MMAP, kModel, "mmap", 0, 1, 1, "map the file instead of reading it into memory"),
    str(HADAL_OPT_MTP_PATH, kModel, "mtp_path", "",
        "GGUF file or directory with the MTP layer that the model's own files lack"),
    str(HADAL_OPT_CPU_ISA, kModel, "cpu_isa", "auto", "auto, scalar, avx2, avx_vnni, avx512 or neon"),
    str(HADAL_OPT_CPU_ACTIVATIONS, kModel, "cpu_activations", "int8",
        "int8: rounded for products with block formats; f32: never, slower"),
    str(HADAL_OPT_EXPERT_GROUPS, kModel, "expert_groups", "auto",
        "auto: V3's groups where a file of its shape lacks the keys; file: as the file says"),
    i64(HADAL_OPT_CHUNK_ROWS, kModel, "chunk_rows", 0, 8192, 0,
        "most tokens in one pass; 0: chosen by hadal"),
    i64(HADAL_OPT_PROFILE, kModel, "profile", 0, 1, 0,
        "count calls, time and bytes of the model's ops, for hadal_model_profile"),
    i64(HADAL_OPT_IMATRIX, kModel, "imatrix", 0, 1, 0,
        "sum the squares of what goes into each weight, for hadal_model_save_imatrix"),
    str(HADAL_OPT_MODULE_PATH, kModel, "module_path", "",
        "folder of the modules of backends; empty: that of the library"),
    i64(HADAL_OPT_HEADERS_ONLY, kModel, "headers_only", 0, 1, 0,
        "load headers and tokenizer of whatever is there, to be looked at and not run"),
    i64(HADAL_OPT_CONTEXT, kSession, "context", 0, 1 << 30, 0,
        "most tokens of the session; 0: what the model was trained for"),
    str(HADAL_OPT_CACHE_TYPE, kSession, "cache_type", "auto",
        "type of the latent cache: auto, f32, bf16, f16, q8_0, q5_1, q5_0 or q4_0"),
    str(HADAL_OPT_CHAT_FORMAT, kSession, "chat_format", "auto",
        "auto: by the file's template; else the name of a format"),
    f64(HADAL_OPT_TEMPERATURE, kSampler, "temperature", 0, 1000, 1, "0: greedy"),
    i64(HADAL_OPT_TOP_K, kSampler, "top_k", 0, INT32_MAX, 0, "keep the k best; 0: off"),
    f64(HADAL_OPT_TOP_P, kSampler, "top_p", 0, 1, 1, "keep the smallest set with this mass; 1: off"),
    i64(HADAL_OPT_SEED, kSampler, "seed", INT64_MIN, kMany, 0,
        "seed of the draws; default: drawn from the system"),
    f64(HADAL_OPT_MIN_P, kSampler, "min_p", 0, 1, 0, "keep p >= min_p * best p; 0: off"),
    f64(HADAL_OPT_TYPICAL_P, kSampler, "typical_p", 0, 1, 1, "locally typical mass; 1: off"),
    f64(HADAL_OPT_REPETITION_PENALTY, kSampler, "repetition_penalty", 1e-3, 1000, 1,
        "divides positive, multiplies negative logits of tokens seen; 1: off"),
    f64(HADAL_OPT_PRESENCE_PENALTY, kSampler, "presence_penalty", -1000, 1000, 0,
        "subtracted once from tokens seen; 0: off"),
    f64(HADAL_OPT_FREQUENCY_PENALTY, kSampler, "frequency_penalty", -1000, 1000, 0,
        "subtracted once per sight; 0: off"),
    i64(HADAL_OPT_PENALTY_WINDOW, kSampler, "penalty_window", 0, INT32_MAX, 64,
        "last tokens that penalties look at; 0: all"),
    f64(HADAL_OPT_DRY_MULTIPLIER, kSampler, "dry_multiplier", 0, 1000, 0, "0: off"),
    f64(HADAL_OPT_DRY_BASE, kSampler, "dry_base", 1, 1000, 1.75, "growth per repeated token"),
    i64(HADAL_OPT_DRY_ALLOWED_LENGTH, kSampler, "dry_allowed_length", 1, INT32_MAX, 2,
        "repeats up to this length are free"),
    i64(HADAL_OPT_DRY_WINDOW, kSampler, "dry_window", 0, INT32_MAX, 0,
        "last tokens that DRY looks at; 0: all"),
    str(HADAL_OPT_DRY_BREAKERS, kSampler, "dry_breakers", "",
        "token ids, comma-separated, that end a repeat"),
    f64(HADAL_OPT_XTC_PROBABILITY, kSampler, "xtc_probability", 0, 1, 0,
        "chance to drop the top choices; 0: off"),
    f64(HADAL_OPT_XTC_THRESHOLD, kSampler, "xtc_threshold", 0, 1, 0.1,
        "what counts as a top choice"),
    str(HADAL_OPT_LOGIT_BIAS, kSampler, "logit_bias", "", "id:bias,id:bias; -inf bans"),
    i64(HADAL_OPT_MAX_TOKENS, kRequest, "max_tokens", 0, INT32_MAX, 0,
        "most tokens to generate; 0: until the context ends"),
    str(HADAL_OPT_STOP, kRequest, "stop", "",
        "text that ends the answer; each call adds one, an empty text clears the list"),
    i64(HADAL_OPT_LOGPROBS, kRequest, "logprobs", 0, 1024, 0,
        "1: log-probability of each token; n: also of the n best"),
    i64(HADAL_OPT_KEEP_LOGITS, kRequest, "keep_logits", 0, 1, 0,
        "keep the logits of every token computed, for hadal_request_logits"),
    str(HADAL_OPT_CONVERT_TYPE, kConvert, "convert_type", "keep",
        "keep, or the type or mix that matrices get: bf16, q8_0 ..."),
    str(HADAL_OPT_CONVERT_FORMAT, kConvert, "convert_format", "gguf", "gguf or safetensors"),
    str(HADAL_OPT_CONVERT_RULES, kConvert, "convert_rules", "",
        "pattern=type;pattern=type: types of single tensors; the first that fits counts"),
    str(HADAL_OPT_CONVERT_IMATRIX, kConvert, "convert_imatrix", "",
        "file that says how much each input of a matrix matters"),
    i64(HADAL_OPT_CONVERT_SPLIT_BYTES, kConvert, "convert_split_bytes", 0, kMany, 0,
        "most bytes of a file of a set; 0: one file"),
    i64(HADAL_OPT_CONVERT_SPLIT_TENSORS, kConvert, "convert_split_tensors", 0, kMany, 0,
        "most tensors of a file of a set; 0: one file"),
    str(HADAL_OPT_CONVERT_MTP, kConvert, "convert_mtp", "keep",
        "keep, drop or only: what happens to MTP layers"),
    str(HADAL_OPT_CONVERT_KV_B, kConvert, "convert_kv_b", "auto",
        "split, joint or keep: kv_b_proj in two halves or one; auto: split out of a directory"),
    i64(HADAL_OPT_CONVERT_OVERWRITE, kConvert, "convert_overwrite", 0, 1, 0,
        "replace files that are there already"),
    i64(HADAL_OPT_LIMIT_STRING_BYTES, kModel, "limit_string_bytes", 1, kMany, 16 * kMi,
        "longest metadata string or JSON file"),
    i64(HADAL_OPT_LIMIT_METADATA_ENTRIES, kModel, "limit_metadata_entries", 1, kMany, 65536,
        "most metadata entries of a file"),
    i64(HADAL_OPT_LIMIT_ARRAY_ELEMENTS, kModel, "limit_array_elements", 1, kMany, 4 * kMi,
        "longest metadata array of a file"),
    i64(HADAL_OPT_LIMIT_TENSORS, kModel, "limit_tensors", 1, kMany, 262144,
        "most tensors over all shards"),
    i64(HADAL_OPT_LIMIT_SHARDS, kModel, "limit_shards", 1, 65535, 4096, "most files of a split set"),
    i64(HADAL_OPT_LIMIT_PROMPT_BYTES, kSession, "limit_prompt_bytes", 1, kMany, 64 * kMi,
        "longest text given at once"),
    i64(HADAL_OPT_LIMIT_MESSAGES, kSession, "limit_messages", 1, kMany, 65536,
        "most messages of a conversation"),
};
// clang-format on

absl::Status wrong_type(const OptionInfo& option, const char* given) {
  const char* wanted = option.type == HADAL_TYPE_I64   ? "an integer"
                       : option.type == HADAL_TYPE_F64 ? "a number"
                                                       : "a text";
  return fail(HADAL_E_OUT_OF_RANGE,
              absl::StrCat("the option ", option.name, " takes ", wanted, ", not ", given),
              absl::StrCat("Use the setter for ", wanted, "."));
}

// The option, if it exists and has this type.
absl::StatusOr<const OptionInfo*> option_of_type(int32_t key, int32_t type, const char* given) {
  const OptionInfo* option = find_option(key);
  if (option == nullptr) {
    return fail(HADAL_E_UNKNOWN_OPTION, absl::StrCat("there is no option with the key ", key),
                "Take a HADAL_OPT_ constant of hadal.h, or hadal_option_find.");
  }
  if (option->type != type) return wrong_type(*option, given);
  return option;
}

}  // namespace

std::span<const OptionInfo> option_table() { return kOptions; }

const OptionInfo* find_option(int32_t key) {
  for (const OptionInfo& option : kOptions) {
    if (option.key == key) return &option;
  }
  return nullptr;
}

const OptionInfo* find_option(absl::string_view name) {
  for (const OptionInfo& option : kOptions) {
    if (name == option.name) return &option;
  }
  return nullptr;
}

absl::Status Config::set_i64(int32_t key, int64_t value) {
  HADAL_ASSIGN_OR_RETURN(const OptionInfo* option,
                         option_of_type(key, HADAL_TYPE_I64, "an integer"));
  if (value < option->min_i64 || value > option->max_i64) {
    return fail(HADAL_E_OUT_OF_RANGE,
                absl::StrCat("the option ", option->name, " cannot be ", value),
                absl::StrCat("Give a value from ", option->min_i64, " to ", option->max_i64, "."));
  }
  put(key, value);
  return absl::OkStatus();
}

absl::Status Config::set_f64(int32_t key, double value) {
  HADAL_ASSIGN_OR_RETURN(const OptionInfo* option, option_of_type(key, HADAL_TYPE_F64, "a number"));
  if (!(value >= option->min_f64 && value <= option->max_f64)) {  // false for NaN too
    return fail(HADAL_E_OUT_OF_RANGE,
                absl::StrCat("the option ", option->name, " cannot be ", value),
                absl::StrCat("Give a value from ", option->min_f64, " to ", option->max_f64, "."));
  }
  put(key, value);
  return absl::OkStatus();
}

absl::Status Config::set_str(int32_t key, absl::string_view value) {
  HADAL_ASSIGN_OR_RETURN(const OptionInfo* option, option_of_type(key, HADAL_TYPE_STR, "a text"));
  std::vector<std::string> values;
  if (option->key == HADAL_OPT_STOP) {  // collects
    if (!value.empty()) values = strs(key);
    if (!value.empty()) values.emplace_back(value);
  } else {
    values.emplace_back(value);
  }
  put(key, std::move(values));
  return absl::OkStatus();
}

absl::Status Config::require_scope(int32_t scope) const {
  constexpr const char* kConsumers[] = {"",        "runtime", "model",     "session",
                                        "sampler", "request", "conversion"};
  for (const Entry& entry : entries_) {
    const OptionInfo* option = find_option(entry.key);
    if (option->scope == scope) continue;
    const bool is_limit = entry.key >= HADAL_OPT_LIMIT_STRING_BYTES && option->scope == kModel;
    if (is_limit && scope == kConvert) continue;  // it reads files of the same kinds
    return fail(HADAL_E_UNKNOWN_OPTION,
                absl::StrCat("the option ", option->name, " is for a ", kConsumers[option->scope],
                             ", not for a ", kConsumers[scope]),
                absl::StrCat("Set it on the config given to the ", kConsumers[option->scope], "."));
  }
  const bool has_tables = allocator || executor || io || log_sink;
  if (has_tables && scope != HADAL_SCOPE_RUNTIME) {
    return fail(HADAL_E_UNKNOWN_OPTION,
                absl::StrCat("a config with host tables was given to a ", kConsumers[scope]),
                "Set allocator, executor, io and log sink on the config of the runtime.");
  }
  return absl::OkStatus();
}

int64_t Config::i64(int32_t key) const {
  const Value* value = find(key);
  return value != nullptr ? std::get<int64_t>(*value) : find_option(key)->default_i64;
}

double Config::f64(int32_t key) const {
  const Value* value = find(key);
  return value != nullptr ? std::get<double>(*value) : find_option(key)->default_f64;
}

std::string Config::str(int32_t key) const {
  const std::vector<std::string> values = strs(key);
  return values.empty() ? find_option(key)->default_str : values.back();
}

std::vector<std::string> Config::strs(int32_t key) const {
  const Value* value = find(key);
  return value != nullptr ? std::get<std::vector<std::string>>(*value) : std::vector<std::string>();
}

const Config::Value* Config::find(int32_t key) const {
  for (const Entry& entry : entries_) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

void Config::put(int32_t key, Value value) {
  for (Entry& entry : entries_) {
    if (entry.key == key) {
      entry.value = std::move(value);
      return;
    }
  }
  entries_.push_back({key, std::move(value)});
}

}  // namespace hadal
