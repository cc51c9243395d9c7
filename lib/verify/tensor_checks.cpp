#include "lib/verify/tensor_checks.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/tensor/block_formats.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kDamaged = "The file is damaged: compare its checksum, download again.";
constexpr absl::string_view kScales = ".weight_scale_inv";

std::string where(const Checkpoint& checkpoint, const TensorEntry& entry) {
  return absl::StrCat(checkpoint.files()[static_cast<size_t>(entry.file)]->path(), ": the tensor ",
                      entry.name_in_file);
}

std::string text(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

int64_t n_elements(const TensorEntry& entry) {
  int64_t n = 1;
  for (const int64_t d : entry.shape) n *= d;
  return n;
}

// A small tensor's values.
absl::StatusOr<std::vector<float>> values_of(const Checkpoint& checkpoint,
                                             const TensorEntry& entry) {
  std::vector<std::byte> bytes(entry.size_bytes);
  HADAL_RETURN_IF_ERROR(
      checkpoint.files()[static_cast<size_t>(entry.file)]->read_at(entry.offset, bytes));
  std::vector<float> values(static_cast<size_t>(n_elements(entry)));
  decode_row(entry.dtype, bytes.data(), n_elements(entry), values.data());
  return values;
}

bool is_bf16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits & 0xffff) == 0;
}

void look_at_bias(const Checkpoint& checkpoint, const TensorEntry& entry,
                  const std::vector<float>& values, Findings& findings) {
  constexpr absl::string_view kAsPublished =
      "Take the bias as it was published, in F32: differences of a thousandth decide.";
  const auto bad = std::find_if_not(values.begin(), values.end(),
                                    [](float value) { return std::isfinite(value); });
  if (bad != values.end()) {
    findings.error(absl::StrCat(where(checkpoint, entry), " holds ", *bad, " for expert ",
                                bad - values.begin(), ", wanted finite numbers"),
                   std::string(kDamaged));
    return;
  }
  const bool all_zero =
      std::all_of(values.begin(), values.end(), [](float value) { return value == 0.0f; });
  if (all_zero) {
    findings.warning(absl::StrCat(where(checkpoint, entry),
                                  " is all zero, as of a model that was "
                                  "never trained"),
                     "Without it other experts are chosen: convert the model again.");
  } else if (entry.dtype != DType::kF32) {
    findings.warning(
        absl::StrCat(where(checkpoint, entry), " has the type ", name(entry.dtype), ", wanted f32"),
        std::string(kAsPublished));
  } else if (values.size() >= 8 && std::all_of(values.begin(), values.end(), is_bf16)) {
    findings.warning(absl::StrCat(where(checkpoint, entry),
                                  " is f32, and every value of it one "
                                  "of bf16: it was rounded on the way"),
                     std::string(kAsPublished));
  }
}

}  // namespace

absl::Status check_router_bias(const Checkpoint& checkpoint, const ModelConfig& config,
                               Findings& findings) {
  findings.begin("router_bias");
  if (config.n_routed_experts == 0 || config.scoring_func != ScoringFunc::kSigmoid) {
    findings.end("the gate wants none");
    return absl::OkStatus();
  }
  const int32_t n_layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  int32_t n_found = 0;
  for (int32_t i = config.first_k_dense_replace; i < n_layers; ++i) {
    const std::string name = absl::StrCat("layers.", i, ".mlp.gate.e_score_correction_bias");
    const TensorEntry* entry = checkpoint.manifest().find(name);
    if (entry == nullptr) {
      findings.error(absl::StrCat(checkpoint.files().front()->path(), ": ", name,
                                  " is missing; experts of a sigmoid gate are chosen with it"),
                     "The converter left it out: convert the model again.");
      continue;
    }
    ++n_found;
    const bool sound = info(entry->dtype).is_weight && entry->dtype != DType::kF8_E4M3 &&
                       n_elements(*entry) == config.n_routed_experts;
    if (!sound) {
      findings.error(absl::StrCat(where(checkpoint, *entry), " has the type ",
                                  hadal::name(entry->dtype), " and the shape ", text(entry->shape),
                                  ", wanted f32 and [", config.n_routed_experts, "]"),
                     "The converter did not know this tensor: convert the model again.");
      continue;
    }
    HADAL_ASSIGN_OR_RETURN(const std::vector<float> values, values_of(checkpoint, *entry));
    look_at_bias(checkpoint, *entry, values, findings);
  }
  findings.end(absl::StrCat("f32 in all ", n_found, " layers with experts"));
  return absl::OkStatus();
}

absl::Status ScaleCheck::step(Findings& findings) {
  constexpr size_t kTensorsPerStep = 256;
  const std::vector<TensorEntry>& entries = checkpoint_.manifest().entries();
  if (next_ == 0) findings.begin("fp8_scales");
  const size_t end = std::min(entries.size(), next_ + kTensorsPerStep);
  for (; next_ < end; ++next_) HADAL_RETURN_IF_ERROR(look_at(entries[next_], findings));
  if (next_ < entries.size()) return absl::OkStatus();
  ++next_;
  findings.end(n_scaled_ == 0
                   ? std::string("no weights in fp8")
                   : absl::StrCat(n_scales_, " scales of ", n_scaled_,
                                  " tensors, finite and positive, in blocks of ",
                                  config_.weight_block_rows, " by ", config_.weight_block_cols));
  return absl::OkStatus();
}

absl::Status ScaleCheck::look_at(const TensorEntry& entry, Findings& findings) {
  const Manifest& manifest = checkpoint_.manifest();
  absl::string_view base = entry.name;
  if (absl::ConsumeSuffix(&base, kScales)) {
    const TensorEntry* scaled = manifest.find(base);
    if (scaled == nullptr || scaled->dtype != DType::kF8_E4M3) {
      findings.warning(
          absl::StrCat(where(checkpoint_, entry), " holds scales for a tensor that is ",
                       scaled == nullptr ? "not there" : name(scaled->dtype), ", and no fp8"),
          "Left over from a conversion out of fp8. hadal does not use it; other programs might.");
    }
    return absl::OkStatus();
  }
  if (entry.dtype != DType::kF8_E4M3) return absl::OkStatus();
  ++n_scaled_;
  if (entry.shape.size() != 2) {
    findings.error(absl::StrCat(where(checkpoint_, entry), " in fp8 has the shape ",
                                text(entry.shape), ", wanted a matrix"),
                   "hadal runs fp8 as DeepSeek publishes it: download the checkpoint again.");
    return absl::OkStatus();
  }
  const auto blocks = [](int64_t n, int64_t size) { return (n + size - 1) / size; };
  const std::vector<int64_t> wanted = {blocks(entry.shape[0], config_.weight_block_rows),
                                       blocks(entry.shape[1], config_.weight_block_cols)};
  const TensorEntry* scales = manifest.find(absl::StrCat(entry.name, kScales));
  if (scales == nullptr) {
    findings.error(absl::StrCat(where(checkpoint_, entry), " is in fp8, but there is no ",
                                entry.name_in_file, "_scale_inv of shape ", text(wanted)),
                   "hadal runs fp8 with a scale for each block: download the checkpoint again.");
    return absl::OkStatus();
  }
  if (scales->shape != wanted) {
    findings.error(absl::StrCat(where(checkpoint_, *scales), " has the shape ", text(scales->shape),
                                ", wanted ", text(wanted), ", one scale for each block of ",
                                config_.weight_block_rows, " by ", config_.weight_block_cols,
                                " of ", text(entry.shape), ", those at the edges included"),
                   "weight_block_size in config.json and the weights do not belong together.");
    return absl::OkStatus();
  }
  if (scales->dtype != DType::kF32 && scales->dtype != DType::kBF16 &&
      scales->dtype != DType::kF8_E8M0) {
    findings.error(absl::StrCat(where(checkpoint_, *scales), " has the type ", name(scales->dtype),
                                ", wanted f32, bf16 or f8_e8m0"),
                   "Use the checkpoint as it was published.");
    return absl::OkStatus();
  }
  HADAL_ASSIGN_OR_RETURN(const std::vector<float> values, values_of(checkpoint_, *scales));
  n_scales_ += values.size();
  const auto bad = std::find_if_not(values.begin(), values.end(), [](float value) {
    return std::isfinite(value) && value > 0.0f;
  });
  if (bad != values.end()) {
    const auto at = bad - values.begin();
    findings.error(
        absl::StrCat(where(checkpoint_, *scales), " holds ", *bad, " for block ", at / wanted[1],
                     ", ", at % wanted[1], ", wanted positive finite numbers"),
        std::string(kDamaged));
  }
  return absl::OkStatus();
}

}  // namespace hadal
