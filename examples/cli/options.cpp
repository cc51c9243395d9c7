// Flags to options. Anything that this version cannot honour is refused here, before a model loads.
#include "examples/cli/options.hpp"

#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

#include "examples/cli/exit_codes.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

template <class Number>
Number number(const std::string& flag, const std::string& text, const char* wanted) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    throw UsageError(flag + " is '" + text + "', wanted " + wanted, "See hadal COMMAND --help.");
  }
  return value;
}

const char* level_name(int32_t level) {
  switch (level) {
    case HADAL_LOG_ERROR: return "error";
    case HADAL_LOG_WARNING: return "warning";
    default: return "info";
  }
}

}  // namespace

int64_t whole_number(const std::string& flag, const std::string& text) {
  return number<int64_t>(flag, text, "a whole number");
}
double real_number(const std::string& flag, const std::string& text) {
  return number<double>(flag, text, "a number");
}

int64_t size_in_bytes(const std::string& flag, const std::string& text) {
  constexpr std::string_view kUnits = "KMGT";
  std::string digits = text;
  double factor = 1.0;
  if (!digits.empty()) {
    const auto unit = static_cast<char>(std::toupper(static_cast<unsigned char>(digits.back())));
    const size_t power = kUnits.find(unit);
    if (power != std::string_view::npos) {
      factor = std::pow(1000.0, static_cast<double>(power) + 1.0);
      digits.pop_back();
    }
  }
  constexpr const char* kWanted = "a size: bytes, or 500M, 40G";
  const double bytes = number<double>(flag, digits, kWanted) * factor;
  if (!(bytes >= 1.0 && bytes < 9e18)) {
    throw UsageError(flag + " is '" + text + "', wanted " + kWanted, "See hadal COMMAND --help.");
  }
  return static_cast<int64_t>(bytes);
}

std::vector<std::string> with_long_flags(int argc, char** argv) {
  const std::map<std::string, std::string> longer = {{"-ngl", "--n-gpu-layers"},
                                                     {"-ctk", "--cache-type-k"},
                                                     {"-sys", "--system"},
                                                     {"-cnv", "--interactive"},
                                                     {"-no-cnv", "--no-conversation"}};
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const auto found = longer.find(argv[i]);
    arguments.push_back(found == longer.end() ? argv[i] : found->second);
  }
  return arguments;
}

CLI::Option* Options::add(CLI::App& app, const char* flags, int32_t key, const char* help,
                          const char* type) {
  Given& given = given_.emplace_back();
  given.key = key;
  given.option = app.add_option(flags, given.value, help)->option_text(type);
  given.flag = given.option->get_name();
  return given.option;
}

void Options::add_model_flags(CLI::App& app, bool is_positional) {
  app.add_option(is_positional ? "-m,--model,--ckpt-path,model" : "-m,--model,--ckpt-path", model,
                 "GGUF file, any file of a split set, or a directory of safetensors")
      ->option_text("PATH")
      ->required()
      ->group("Model");
  add(app, "-t,--threads", HADAL_OPT_THREADS, "Threads (default: one per core)", "N")
      ->group("Model");
  add(app, "--backend", HADAL_OPT_BACKEND, "auto, cpu, onednn or reference", "NAME")
      ->group("Model");
  add(app, "--module-path", HADAL_OPT_MODULE_PATH,
      "Folder of libhadal_onednn.so (default: that of the library)", "PATH")
      ->group("Model");
  add(app, "--cpu-isa", HADAL_OPT_CPU_ISA, "auto, scalar, avx2, avx_vnni, avx512 or neon", "NAME")
      ->group("Model");
  add(app, "--cpu-activations", HADAL_OPT_CPU_ACTIVATIONS,
      "int8: round them for products with block formats; f32: do not, slower", "TYPE")
      ->group("Model");
  add(app, "--mtp", HADAL_OPT_MTP_PATH,
      "GGUF file or directory with the MTP layer that the model's own files lack", "PATH")
      ->group("Model");
  app.add_flag("--no-mmap", no_mmap_, "Read the file into memory instead of mapping it")
      ->group("Model");
  add(app, "--host-bytes", HADAL_OPT_HOST_BYTES, "Never use more memory than this", "BYTES")
      ->group("Model");
  add(app, "--determinism", HADAL_OPT_DETERMINISM,
      "1: same bits on this machine; 2: with any number of threads; 3: everywhere, slow", "LEVEL")
      ->group("Model");
  add_any_option(app, "Model");
  app.add_option("--n-gpu-layers", n_gpu_layers_, "-ngl; only 0: this version has no GPU backend")
      ->option_text("N")
      ->group("Model");
  app.add_option("--config", demo_config_, "Refused: the model file carries its shape")
      ->option_text("FILE")
      ->group("");
}

void Options::add_session_flags(CLI::App& app) {
  add(app, "-c,--ctx-size", HADAL_OPT_CONTEXT, "Most tokens (default 0: as the model was trained)",
      "N")
      ->group("Session");
  add(app, "--cache-type-k", HADAL_OPT_CACHE_TYPE,
      "Type of the latent cache: f32, bf16, f16, q8_0, q5_1, q5_0, q4_0 (default auto)", "TYPE")
      ->group("Session");
}

void Options::add_chat_flags(CLI::App& app) {
  add(app, "--chat-format", HADAL_OPT_CHAT_FORMAT,
      "auto (by the file's template), deepseek-v2, deepseek-v3, deepseek-r1, deepseek-v3-0324, "
      "deepseek-v3.1, kimi-k2",
      "NAME")
      ->group("Chat");
  app.add_option("--system", system, "System prompt")->option_text("TEXT")->group("Chat");
  app.add_flag("--think", think, "Let the model think first, where the format can choose")
      ->group("Chat");
}

void Options::add_sampling_flags(CLI::App& app) {
  const char* const group = "Sampling";
  app.add_option("-n,--max-new-tokens,--predict", max_new_tokens_,
                 "Most tokens to write; -1 (default): until the answer or the context ends")
      ->option_text("N")
      ->group(group);
  app.add_option("--stop", stops_, "Text that ends the answer; may be given several times")
      ->option_text("TEXT")
      ->allow_extra_args(false)
      ->take_all()
      ->group(group);
  add(app, "--temp,--temperature", HADAL_OPT_TEMPERATURE, "0: always the best; default 1", "T")
      ->group(group);
  add(app, "--top-k", HADAL_OPT_TOP_K, "Keep the k best; default 0: off", "K")->group(group);
  add(app, "--top-p", HADAL_OPT_TOP_P, "Keep the best with this mass; default 1: off", "P")
      ->group(group);
  add(app, "--min-p", HADAL_OPT_MIN_P, "Keep p >= min_p * best p; default 0: off", "P")
      ->group(group);
  add(app, "--typical", HADAL_OPT_TYPICAL_P, "Locally typical mass; default 1: off", "P")
      ->group(group);
  add(app, "-s,--seed", HADAL_OPT_SEED, "Seed of the draws; default: a new one each time", "N")
      ->group(group);
  add(app, "--repeat-penalty", HADAL_OPT_REPETITION_PENALTY, "Default 1: off", "X")->group(group);
  add(app, "--repeat-last-n", HADAL_OPT_PENALTY_WINDOW,
      "Tokens that penalties look at; default 64, 0: all", "N")
      ->group(group);
  add(app, "--presence-penalty", HADAL_OPT_PRESENCE_PENALTY, "Default 0: off", "X")->group(group);
  add(app, "--frequency-penalty", HADAL_OPT_FREQUENCY_PENALTY, "Default 0: off", "X")->group(group);
  add(app, "--dry-multiplier", HADAL_OPT_DRY_MULTIPLIER, "Default 0: off", "X")->group(group);
  add(app, "--dry-base", HADAL_OPT_DRY_BASE, "Default 1.75", "X")->group(group);
  add(app, "--dry-allowed-length", HADAL_OPT_DRY_ALLOWED_LENGTH, "Default 2", "N")->group(group);
  add(app, "--dry-penalty-last-n", HADAL_OPT_DRY_WINDOW, "Default 0: all", "N")->group(group);
  add(app, "--dry-breakers", HADAL_OPT_DRY_BREAKERS, "Token ids that end a repeat", "ID,ID")
      ->group(group);
  add(app, "--xtc-probability", HADAL_OPT_XTC_PROBABILITY, "Default 0: off", "P")->group(group);
  add(app, "--xtc-threshold", HADAL_OPT_XTC_THRESHOLD, "Default 0.1", "P")->group(group);
  add(app, "--logit-bias", HADAL_OPT_LOGIT_BIAS, "-inf bans", "ID:X,ID:X")->group(group);
}

void Options::add_output_flags(CLI::App& app, bool with_json) {
  if (with_json) app.add_flag("--json", json, "JSON on stdout")->group("Output");
  app.add_flag("-q,--quiet", quiet, "No progress and no speed on stderr")->group("Output");
  app.add_flag("-v,--verbose", verbose_, "What the library has to tell, on stderr")
      ->group("Output");
}

void Options::add_conversion_flags(CLI::App& app) {
  const char* const group = "Conversion";
  add(app, "--type,--outtype", HADAL_OPT_CONVERT_TYPE,
      "Type or mix of the matrices: keep (default), f32, f16, bf16, q8_0 ...", "TYPE")
      ->group(group);
  add_quantisation_flags(app);
  add(app, "--format", HADAL_OPT_CONVERT_FORMAT, "gguf (default) or safetensors", "NAME")
      ->group(group);
  add(app, "--kv-b", HADAL_OPT_CONVERT_KV_B,
      "split, joint or keep; default: split out of a directory", "FORM")
      ->group(group);
}

void Options::add_quantisation_flags(CLI::App& app) {
  add(app, "--rules", HADAL_OPT_CONVERT_RULES,
      "Types of single tensors, the first that fits counts: 'ffn_down_exps=q8_0;^output=f16'",
      "PATTERN=TYPE;...")
      ->group("Conversion");
  add(app, "--imatrix", HADAL_OPT_CONVERT_IMATRIX, "Importance matrix, for types of few bits",
      "FILE")
      ->group("Conversion");
  CLI::Option* const mtp =
      add(app, "--mtp", HADAL_OPT_CONVERT_MTP,
          "keep (default), drop or only: layers that predict more than one token ahead", "WHAT")
          ->group("Conversion");
  app.add_flag("--mtp-only", mtp_only_, "--mtp only")
      ->option_text(" ")
      ->excludes(mtp)
      ->group("Conversion");
}

void Options::add_split_flags(CLI::App& app) {
  app.add_option("--split-size", split_size_, "Most bytes of a file: 500M, 40G")
      ->option_text("SIZE")
      ->group("Conversion");
  add(app, "--split-tensors", HADAL_OPT_CONVERT_SPLIT_TENSORS, "Most tensors of a file", "N")
      ->group("Conversion");
}

void Options::add_work_flags(CLI::App& app) {
  add(app, "-t,--threads", HADAL_OPT_THREADS, "Threads (default: one per core)", "N")
      ->group("Work");
  add(app, "--host-bytes", HADAL_OPT_HOST_BYTES, "Never use more memory than this", "BYTES")
      ->group("Work");
  add_any_option(app, "Work");
  is_conversion_ = true;
}

void Options::add_any_option(CLI::App& app, const char* group) {
  app.add_option("--option", any_options_,
                 "Any option of hadal.h by its name, as expert_groups=file; several times")
      ->option_text("NAME=VALUE")
      ->allow_extra_args(false)
      ->take_all()
      ->group(group);
}

void Options::set_any_option(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  int32_t key = 0;
  try {
    key = hadal::option_find(name);
  } catch (const hadal::Error& error) {
    throw UsageError(std::string("--option: ") + error.what(), error.hint());
  }
  if (equals == std::string::npos)
    throw UsageError("--option " + name + " has no value", "Give --option " + name + "=VALUE.");
  set("--option " + name, key, text.substr(equals + 1));
}

void Options::set(const std::string& flag, int32_t key, const std::string& value) {
  const hadal_option_desc option = hadal::option_describe(key);
  hadal::Config* config = nullptr;
  switch (option.scope) {
    case HADAL_SCOPE_RUNTIME: config = &runtime; break;
    case HADAL_SCOPE_MODEL:  // a conversion takes the limits of reading, and says so of the rest
      config = is_conversion_ ? &conversion : &model_options;
      break;
    case HADAL_SCOPE_SESSION: config = &session; break;
    case HADAL_SCOPE_SAMPLER: config = &sampler; break;
    case HADAL_SCOPE_CONVERT: config = &conversion; break;
    default: config = &request; break;
  }
  switch (option.type) {
    case HADAL_TYPE_I64: config->set_i64(key, whole_number(flag, value)); break;
    case HADAL_TYPE_F64: config->set_f64(key, real_number(flag, value)); break;
    default: config->set_str(key, value); break;
  }
}

void Options::refuse_what_is_missing() const {
  if (whole_number("--n-gpu-layers", n_gpu_layers_) != 0) {
    throw UsageError("--n-gpu-layers " + n_gpu_layers_ + ": this version has no GPU backend",
                     "Leave it out, or give 0: everything runs on the CPU.");
  }
  if (!demo_config_.empty()) {
    throw UsageError("--config " + demo_config_ + ": a model carries its own shape",
                     "Leave it out.");
  }
}

void Options::resolve() {
  refuse_what_is_missing();
  for (const Given& given : given_) {
    if (given.option->count() > 0) set(given.flag, given.key, given.value);
  }
  for (const std::string& text : any_options_) set_any_option(text);
  if (!split_size_.empty()) {
    conversion.set_i64(HADAL_OPT_CONVERT_SPLIT_BYTES, size_in_bytes("--split-size", split_size_));
  }
  if (no_mmap_) model_options.set_i64(HADAL_OPT_MMAP, 0);
  if (mtp_only_) conversion.set_str(HADAL_OPT_CONVERT_MTP, "only");
  const int64_t n = whole_number("--max-new-tokens", max_new_tokens_);
  if (n < -1 || n == 0) {
    throw UsageError("--max-new-tokens is " + max_new_tokens_,
                     "Give at least 1, or -1 for no end.");
  }
  if (n > 0) request.set_i64(HADAL_OPT_MAX_TOKENS, n);
  for (const std::string& stop : stops_) {
    if (stop.empty()) throw UsageError("--stop is empty", "Give the text to stop at.");
    request.set_str(HADAL_OPT_STOP, stop);
  }
  if (logprobs != 0) request.set_i64(HADAL_OPT_LOGPROBS, logprobs);
  runtime.set_log_sink(verbose_ ? HADAL_LOG_INFO : HADAL_LOG_WARNING,
                       [](int32_t level, std::string_view, std::string_view text) {
                         write_note(std::string(level_name(level)) + ": " + std::string(text),
                                    Style::kDim);
                       });
}

}  // namespace cli
