#include "lib/session/convert_request.hpp"

#include <span>
#include <utility>

#include "absl/strings/ascii.h"
#include "lib/convert/imatrix_file.hpp"
#include "lib/convert/type_choice.hpp"
#include "lib/session/load_request.hpp"

namespace hadal {
namespace {

template <class T>
struct Word {
  const char* word;
  T value;
};

// What one of a few words stands for.
template <class T>
absl::StatusOr<T> value_of(const Config& config, int32_t key, std::span<const Word<T>> words) {
  const std::string given = config.str(key);
  std::string all;
  for (const Word<T>& word : words) {
    if (given == word.word) return word.value;
    absl::StrAppend(&all, all.empty() ? "" : ", ", word.word);
  }
  return fail(HADAL_E_OUT_OF_RANGE,
              absl::StrCat("the option ", find_option(key)->name, " cannot be \"", given, "\""),
              absl::StrCat("Give one of: ", all, "."));
}

constexpr Word<bool> kFormats[] = {{"gguf", false}, {"safetensors", true}};
constexpr Word<MtpLayers> kMtp[] = {
    {"keep", MtpLayers::kKeep}, {"drop", MtpLayers::kDrop}, {"only", MtpLayers::kOnly}};
constexpr Word<KvBForm> kKvB[] = {{"auto", KvBForm::kAuto},
                                  {"split", KvBForm::kSplit},
                                  {"joint", KvBForm::kJoint},
                                  {"keep", KvBForm::kKeep}};

}  // namespace

absl::StatusOr<ConversionOptions> conversion_options(const Runtime& runtime, const Config& config) {
  HADAL_RETURN_IF_ERROR(config.require_scope(HADAL_SCOPE_CONVERT));
  ConversionOptions options;
  options.checkpoint = input_limits(config);
  options.checkpoint.infer_expert_groups = false;  // what the file does not say is not written
  options.type = absl::AsciiStrToLower(config.str(HADAL_OPT_CONVERT_TYPE));
  HADAL_RETURN_IF_ERROR(check_type_word(options.type));  // before anything is read
  HADAL_ASSIGN_OR_RETURN(options.to_safetensors,
                         value_of<bool>(config, HADAL_OPT_CONVERT_FORMAT, kFormats));
  HADAL_ASSIGN_OR_RETURN(options.rules, parse_type_rules(config.str(HADAL_OPT_CONVERT_RULES)));
  HADAL_ASSIGN_OR_RETURN(options.mtp, value_of<MtpLayers>(config, HADAL_OPT_CONVERT_MTP, kMtp));
  HADAL_ASSIGN_OR_RETURN(options.kv_b, value_of<KvBForm>(config, HADAL_OPT_CONVERT_KV_B, kKvB));
  options.split_bytes = static_cast<uint64_t>(config.i64(HADAL_OPT_CONVERT_SPLIT_BYTES));
  options.split_tensors = static_cast<uint64_t>(config.i64(HADAL_OPT_CONVERT_SPLIT_TENSORS));
  options.overwrite = config.i64(HADAL_OPT_CONVERT_OVERWRITE) != 0;
  const std::string imatrix = config.str(HADAL_OPT_CONVERT_IMATRIX);
  if (!imatrix.empty()) {
    HADAL_ASSIGN_OR_RETURN(Imatrix read,
                           Imatrix::read(*runtime.resources().files, imatrix, options.checkpoint));
    options.importance = std::make_shared<Imatrix>(std::move(read));
  }
  return options;
}

ConversionTools conversion_tools(const Runtime& runtime) {
  const Resources& r = runtime.resources();
  return {r.files, r.memory, r.executor, r.log};
}

ConvertRequest::ConvertRequest(std::shared_ptr<Runtime> runtime, std::string from, std::string to,
                               ConversionOptions options)
    : Request(std::move(runtime)),
      conversion_(std::make_unique<Conversion>(conversion_tools(this->runtime()), std::move(from),
                                               std::move(to), std::move(options))) {}

absl::StatusOr<std::shared_ptr<ConvertRequest>> ConvertRequest::create(
    std::shared_ptr<Runtime> runtime, absl::string_view from, absl::string_view to,
    const Config& config) {
  HADAL_ASSIGN_OR_RETURN(ConversionOptions options, conversion_options(*runtime, config));
  return std::shared_ptr<ConvertRequest>(new ConvertRequest(std::move(runtime), std::string(from),
                                                            std::string(to), std::move(options)));
}

absl::Status ConvertRequest::work(uint64_t) {
  emit_progress(0.0);  // before the first byte is read
  HADAL_RETURN_IF_ERROR(conversion_->step());
  update_stats([&](RequestStats& s) {
    s.read_bytes = conversion_->bytes_read();
    s.prefill_ns = now_ns() - started_ns();
  });
  emit_progress(conversion_->progress());
  if (conversion_->done()) {
    runtime().read_bytes += conversion_->bytes_read();
    end(absl::OkStatus());
  }
  return absl::OkStatus();
}

// Removes what was not finished.
void ConvertRequest::abandon() { conversion_.reset(); }

}  // namespace hadal
