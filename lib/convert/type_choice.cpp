#include "lib/convert/type_choice.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "lib/convert/mix.hpp"
#include "lib/tensor/block_encoders.hpp"

namespace hadal {
namespace {

bool is_router(const OutputTensor& tensor) { return absl::EndsWith(tensor.name, ".mlp.gate"); }
bool is_matrix(const OutputTensor& tensor) { return tensor.shape.size() >= 2; }
bool is_block_format(DType dtype) { return info(dtype).block_elements > 1; }

// What has most in common with a type whose blocks are too long for the rows: as many bits, or
// more. The last two fit everything.
std::vector<DType> substitutes(DType dtype) {
  switch (dtype) {
    case DType::kQ4_K: return {DType::kQ5_0, DType::kQ8_0, DType::kF16};
    case DType::kQ5_K: return {DType::kQ5_1, DType::kQ8_0, DType::kF16};
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kIQ2_XXS:
    case DType::kIQ2_XS:
    case DType::kIQ2_S:
    case DType::kIQ3_XXS:
    case DType::kIQ3_S:
    case DType::kIQ1_S:
    case DType::kIQ1_M:
    case DType::kIQ4_XS: return {DType::kIQ4_NL, DType::kQ4_0, DType::kQ8_0, DType::kF16};
    case DType::kTQ1_0:
    case DType::kTQ2_0:
    case DType::kNVFP4: return {DType::kQ4_0, DType::kQ8_0, DType::kF16};
    default: return {DType::kQ8_0, DType::kF16};
  }
}

bool rows_fit(DType dtype, const OutputTensor& tensor) {
  return tensor.cols() % info(dtype).block_elements == 0;
}

DType that_fits(DType wanted, const OutputTensor& tensor) {
  if (rows_fit(wanted, tensor)) return wanted;
  for (const DType other : substitutes(wanted)) {
    if (can_encode(other) && rows_fit(other, tensor)) return other;
  }
  return DType::kF16;
}

// "keep" out of a directory.
DType kept_for_gguf(const OutputTensor& tensor) {
  if (!is_matrix(tensor) || is_router(tensor)) return DType::kF32;
  return tensor.dtype == DType::kF8_E4M3 ? DType::kBF16 : tensor.dtype;
}

const TypeRule* rule_for(const std::vector<TypeRule>& rules, const OutputTensor& tensor) {
  for (const TypeRule& rule : rules) {
    if (fits(rule.pattern, tensor.name_in_file) || fits(rule.pattern, tensor.name)) return &rule;
  }
  return nullptr;
}

// Whether rows come out as they lie in the checkpoint, if the type stays.
bool is_cut_along_rows(const OutputTensor& tensor) {
  return std::none_of(tensor.runs.begin(), tensor.runs.end(),
                      [](const RowRun& run) { return run.transposed; });
}

// Counts what is worth a warning by what happened, with a name to begin from.
class Remarks {
 public:
  void add(DType from, DType to, const OutputTensor& tensor) {
    Remark& remark = remarks_[{from, to}];
    if (remark.n++ == 0) remark.first = tensor.name_in_file;
  }
  void warn(const Log& log, absl::string_view before, absl::string_view between,
            absl::string_view after) const {
    for (const auto& [types, remark] : remarks_) {
      log.warning("convert",
                  absl::StrCat(before, name(types.first), between, name(types.second), after, " (",
                               remark.n, " tensors, first ", remark.first, ")"));
    }
  }

 private:
  struct Remark {
    uint64_t n = 0;
    std::string first;
  };
  std::map<std::pair<DType, DType>, Remark> remarks_;
};

}  // namespace

std::string writable_types() {
  std::string names;
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (can_encode(dtype)) absl::StrAppend(&names, names.empty() ? "" : ", ", name(dtype));
  }
  return names;
}

absl::Status check_type_word(absl::string_view word) {
  HADAL_RETURN_IF_ERROR(choose_types(word, {}).status());
  const std::optional<DType> type = dtype_from_name(absl::AsciiStrToLower(word));
  if (!type || can_encode(*type)) return absl::OkStatus();
  return fail(HADAL_E_OUT_OF_RANGE,
              absl::StrCat("the type ", name(*type), " is read and run, but not written"),
              absl::StrCat("Give one of the types ", writable_types(), ", or of the mixes ",
                           mix_names(), "; keep leaves tensors as they are."));
}

absl::StatusOr<TypeCounts> choose_output_types(const ConversionOptions& options, bool from_gguf,
                                               std::vector<OutputTensor>& tensors, const Log& log) {
  std::vector<MixTensor> for_mix;
  for (const OutputTensor& tensor : tensors) {
    for_mix.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  HADAL_RETURN_IF_ERROR(check_type_word(options.type));  // also where no row would get the type
  HADAL_ASSIGN_OR_RETURN(const std::vector<DType> by_mix, choose_types(options.type, for_mix));

  TypeCounts counts;
  Remarks substituted, requantised;
  for (size_t i = 0; i < tensors.size(); ++i) {
    OutputTensor& tensor = tensors[i];
    const DType had = tensor.dtype;
    if (!info(had).is_weight) continue;  // not for arithmetic: copied
    DType wanted = by_mix[i];
    bool kept = options.type == "keep";
    const TypeRule* rule = is_matrix(tensor) ? rule_for(options.rules, tensor) : nullptr;
    if (rule != nullptr) kept = !rule->type.has_value();
    if (rule != nullptr && rule->type) wanted = *rule->type;
    if (kept) wanted = from_gguf ? had : kept_for_gguf(tensor);

    if (kept && is_block_format(had) && !is_cut_along_rows(tensor)) {
      return fail(HADAL_E_UNSUPPORTED,
                  absl::StrCat("the tensor ", tensor.name_in_file, " is ", name(had),
                               ", in blocks that would have to be made anew to write kv_b in its "
                               "other form"),
                  "Leave kv_b as it is (kv_b keep), or choose a type for these tensors by a rule: "
                  "attn_k_b=f16;attn_kv_b=f16");
    }
    tensor.dtype = that_fits(wanted, tensor);
    if (tensor.dtype == had) continue;
    if (!can_encode(tensor.dtype)) {
      return fail(HADAL_E_UNSUPPORTED,
                  absl::StrCat("the tensor ", tensor.name_in_file, " was to be ",
                               name(tensor.dtype), ", which hadal cannot write"),
                  "Choose another type, or one for this tensor alone by a rule.");
    }
    ++counts.encoded;
    if (tensor.dtype != wanted) {
      ++counts.substituted;
      substituted.add(wanted, tensor.dtype, tensor);
    }
    if (is_block_format(had) && is_block_format(tensor.dtype)) {
      ++counts.requantised;
      requantised.add(had, tensor.dtype, tensor);
    }
  }
  substituted.warn(log, "rows too short for the blocks of ", " become ", "");
  requantised.warn(log, "", " becomes ",
                   ": what was lost before is lost still, and more; better from the original");
  return counts;
}

std::optional<uint32_t> gguf_file_type(absl::string_view type) {
  struct Number {
    absl::string_view type;
    uint32_t number;
  };
  constexpr Number kNumbers[] = {
      {"f32", 0},      {"f16", 1},      {"q4_0", 2},    {"q4_1", 3},     {"q8_0", 7},
      {"q5_0", 8},     {"q5_1", 9},     {"q2_k", 10},   {"q2_k_xs", 10}, {"q2_k_l", 10},
      {"q3_k", 11},    {"q3_k_s", 11},  {"q3_k_m", 12}, {"q3_k_l", 13},  {"q4_k", 14},
      {"q4_k_s", 14},  {"q4_k_m", 15},  {"q5_k", 16},   {"q5_k_s", 16},  {"q5_k_m", 17},
      {"q6_k", 18},    {"iq2_xxs", 19}, {"iq2_xs", 20}, {"q2_k_s", 21},  {"iq3_xs", 22},
      {"iq3_xxs", 23}, {"iq1_s", 24},   {"iq4_nl", 25}, {"iq3_s", 26},   {"iq3_m", 27},
      {"iq2_s", 28},   {"iq2_m", 29},   {"iq4_xs", 30}, {"iq1_m", 31},   {"bf16", 32},
      {"tq1_0", 36},   {"tq2_0", 37},   {"mxfp4", 38},  {"nvfp4", 39},
  };
  for (const Number& number : kNumbers) {
    if (number.type == type) return number.number;
  }
  return std::nullopt;
}

}  // namespace hadal
