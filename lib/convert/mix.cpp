#include "lib/convert/mix.hpp"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace hadal {
namespace {

// Which layers get the better type where a mix has two for a tensor.
enum class Where {
  kAll,
  kFirstSixteenth,
  kFirstEighth,
  kEdges,  // the first and the last eighth, and every third in between
};

// Files of these names that others publish have these types. Tensors are named as they play a part:
// down_proj of dense layers, experts and shared experts alike.
struct Mix {
  const char* name;
  DType most, embed_tokens, lm_head, o_proj;
  DType down_proj, better_down_proj;
  Where better;
};

constexpr DType kQ2 = DType::kQ2_K, kQ3 = DType::kQ3_K, kQ4 = DType::kQ4_K, kQ5 = DType::kQ5_K,
                kQ6 = DType::kQ6_K;
// clang-format off
constexpr Mix kMixes[] = {
    // name     most embed head o_proj down  better
    {"q2_k",    kQ2, kQ2,  kQ6, kQ3,   kQ3,  kQ3, Where::kAll},
    {"q2_k_xs", kQ2, kQ4,  kQ6, kQ3,   kQ2,  kQ2, Where::kAll},
    {"q2_k_s",  kQ2, kQ2,  kQ6, kQ2,   kQ2,  kQ4, Where::kFirstEighth},
    {"q2_k_l",  kQ2, kQ4,  kQ6, kQ3,   kQ3,  kQ3, Where::kAll},
    {"q3_k_s",  kQ3, kQ3,  kQ6, kQ3,   kQ3,  kQ3, Where::kAll},
    {"q3_k_m",  kQ3, kQ3,  kQ6, kQ4,   kQ4,  kQ5, Where::kFirstSixteenth},
    {"q3_k_l",  kQ3, kQ3,  kQ6, kQ5,   kQ5,  kQ5, Where::kAll},
    {"q4_k_s",  kQ4, kQ4,  kQ6, kQ4,   kQ4,  kQ5, Where::kFirstEighth},
    {"q4_k_m",  kQ4, kQ4,  kQ6, kQ4,   kQ4,  kQ6, Where::kEdges},
    {"q5_k_s",  kQ5, kQ5,  kQ6, kQ5,   kQ5,  kQ5, Where::kAll},
    {"q5_k_m",  kQ5, kQ5,  kQ6, kQ5,   kQ5,  kQ6, Where::kEdges},
};
// clang-format on

const Mix* find_mix(absl::string_view name) {
  const auto* found = std::find_if(std::begin(kMixes), std::end(kMixes),
                                   [&](const Mix& m) { return m.name == name; });
  return found == std::end(kMixes) ? nullptr : found;
}

bool is_better_layer(Where where, int64_t layer, int64_t n_layers) {
  switch (where) {
    case Where::kAll: return true;
    case Where::kFirstSixteenth: return layer < n_layers / 16;
    case Where::kFirstEighth: return layer < n_layers / 8;
    case Where::kEdges:
      return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
  }
  return false;
}

// The number behind "layers."; -1 outside of layers.
int64_t layer_of(absl::string_view name) {
  uint32_t layer = 0;
  if (!absl::ConsumePrefix(&name, "layers.")) return -1;
  return absl::SimpleAtoi(name.substr(0, name.find('.')), &layer) ? int64_t{layer} : -1;
}

// The MTP layer is counted as one more, and has an embedding and a head of its own.
DType type_in(const Mix& mix, absl::string_view name, int64_t n_layers) {
  if (name == "embed_tokens" || absl::EndsWith(name, ".embed_tokens")) return mix.embed_tokens;
  if (name == "lm_head" || absl::EndsWith(name, ".shared_head.head")) return mix.lm_head;
  if (absl::EndsWith(name, ".o_proj")) return mix.o_proj;
  if (absl::EndsWith(name, ".down_proj")) {
    return is_better_layer(mix.better, layer_of(name), n_layers) ? mix.better_down_proj
                                                                 : mix.down_proj;
  }
  return mix.most;
}

enum class Fate { kExact, kAsItIs, kFree };
Fate fate_of(const MixTensor& tensor) {
  // Scales of blocks belong to the type that they scale.
  if (absl::EndsWith(tensor.name, ".weight_scale_inv")) return Fate::kAsItIs;
  const bool is_exact = tensor.shape.size() < 2 || absl::EndsWith(tensor.name, ".mlp.gate") ||
                        absl::EndsWith(tensor.name, "norm");
  return is_exact ? Fate::kExact : Fate::kFree;
}

}  // namespace

std::string mix_names() {
  std::string names;
  for (const Mix& mix : kMixes) absl::StrAppend(&names, names.empty() ? "" : ", ", mix.name);
  return names;
}

absl::StatusOr<std::vector<DType>> choose_types(absl::string_view mix,
                                                const std::vector<MixTensor>& tensors) {
  const std::string word = absl::AsciiStrToLower(mix);
  const Mix* const known = find_mix(word);
  const std::optional<DType> one_type = dtype_from_name(word);
  const bool keep = word == "keep";
  if (!keep && known == nullptr && (!one_type || !info(*one_type).is_weight)) {
    return fail(HADAL_E_OUT_OF_RANGE, absl::StrCat("\"", mix, "\" is no type and no mix"),
                absl::StrCat("Give keep, the name of a type such as q8_0 or bf16, or a mix: ",
                             mix_names(), "."));
  }
  int64_t n_layers = 0;
  for (const MixTensor& t : tensors) n_layers = std::max(n_layers, layer_of(t.name) + 1);

  std::vector<DType> types;
  types.reserve(tensors.size());
  for (const MixTensor& t : tensors) {
    const Fate fate = fate_of(t);
    if (keep || fate == Fate::kAsItIs) {
      types.push_back(t.dtype);
    } else if (fate == Fate::kExact) {
      types.push_back(DType::kF32);
    } else {
      types.push_back(known != nullptr ? type_in(*known, t.name, n_layers) : *one_type);
    }
  }
  return types;
}

}  // namespace hadal
