#include "lib/verify/config_checks.hpp"

#include <cmath>

#include "lib/model/rope.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kConvertAgain =
    "Convert the model again with a current converter, or download it again.";

// Whether the file has the key itself, and nothing was put in its place.
bool says(const Checkpoint& checkpoint, absl::string_view name) {
  const std::string spelled = checkpoint.spelling(name);
  const size_t colon = spelled.rfind(": ");
  const std::string key = colon == std::string::npos ? spelled : spelled.substr(colon + 2);
  return checkpoint.metadata(key).has_value();
}

}  // namespace

void look_at_epsilon(const Checkpoint& checkpoint, const ModelConfig& c, Findings& findings) {
  if (!(c.rms_norm_eps > 0.0f) || c.rms_norm_eps > 1e-3f) {
    findings.warning(absl::StrCat(checkpoint.spelling("rms_norm_eps"), ": found ", c.rms_norm_eps,
                                  ", released models have 1e-6 or 1e-5"),
                     std::string(kConvertAgain));
  }
}

void check_expert_groups(const Checkpoint& checkpoint, const ModelConfig& c, Findings& findings) {
  findings.begin("expert_groups");
  const bool is_v3s_shape = c.n_routed_experts == 256 && c.num_attention_heads == 128 &&
                            c.scoring_func == ScoringFunc::kSigmoid;
  if (c.n_routed_experts == 0) return findings.end("the model has no experts");
  if (!says(checkpoint, "n_group")) {
    if (c.n_group > 1) {
      findings.warning(
          absl::StrCat(checkpoint.spelling("n_group"), ": the file does not say; ", c.topk_group,
                       " of ", c.n_group, " groups are taken, as V3's shape wants"),
          "Other programs may route this file without groups and answer worse. Convert it again "
          "to have the keys written.");
    } else if (is_v3s_shape) {
      findings.warning(absl::StrCat(checkpoint.spelling("n_group"),
                                    ": the file does not say, in a model of V3's shape, which was "
                                    "trained with 4 of 8 groups"),
                       "Leave the option expert_groups at \"auto\", or convert the model again.");
    } else if (c.scoring_func == ScoringFunc::kSigmoid) {
      findings.note(absl::StrCat(checkpoint.spelling("n_group"),
                                 ": the file does not say; experts are chosen from all, which is "
                                 "right for Moonlight, Kimi-K2 and GigaChat3, and wrong for V3"));
    }
  } else if (is_v3s_shape && c.n_group != 8) {
    findings.warning(absl::StrCat(checkpoint.spelling("n_group"), ": found ", c.n_group,
                                  ", in a model of V3's shape, which was trained with 8"),
                     std::string(kConvertAgain));
  }
  if (c.n_group > 1 && c.topk_group == c.n_group) {
    findings.warning(absl::StrCat(checkpoint.spelling("topk_group"), ": all ", c.n_group,
                                  " groups are kept, so they mean nothing"),
                     std::string(kConvertAgain));
  }
  findings.end(absl::StrCat(c.num_experts_per_tok, " of ", c.n_routed_experts, " experts from ",
                            c.topk_group, " of ", c.n_group, " groups"));
}

void check_router(const Checkpoint& checkpoint, const ModelConfig& c, Findings& findings) {
  findings.begin("router");
  if (c.n_routed_experts == 0) return findings.end("the model has no experts");
  const bool sigmoid = c.scoring_func == ScoringFunc::kSigmoid;
  if (!(c.routed_scaling_factor > 0.0f)) {
    findings.error(absl::StrCat(checkpoint.spelling("routed_scaling_factor"), ": found ",
                                c.routed_scaling_factor, ", wanted a positive number"),
                   std::string(kConvertAgain));
  }
  if (sigmoid && !c.norm_topk_prob) {
    findings.warning(absl::StrCat(checkpoint.spelling("norm_topk_prob"),
                                  ": found false with a sigmoid gate; every released model that "
                                  "has one weighs the chosen experts so that they sum to one"),
                     std::string(kConvertAgain));
  }
  findings.end(absl::StrCat(sigmoid ? "sigmoid" : "softmax", " gate, factor ",
                            c.routed_scaling_factor, c.norm_topk_prob ? ", normalised" : ""));
}

void check_yarn(const Checkpoint& checkpoint, const ModelConfig& c, Findings& findings) {
  findings.begin("yarn");
  const Rope rope(c);
  const double plain = 1.0 / std::sqrt(static_cast<double>(c.qk_head_dim()));
  const double scale = static_cast<double>(rope.softmax_scale());
  bool finite = std::isfinite(scale) && scale > 0.0 && std::isfinite(rope.magnitude());
  for (const double frequency : rope.frequencies()) {
    finite = finite && std::isfinite(frequency) && frequency > 0.0;
  }
  if (!finite) {
    findings.error(absl::StrCat(checkpoint.spelling("rope_scaling.factor"),
                                ": the rotary frequencies or the attention scale ", scale,
                                " that follow are no positive numbers"),
                   std::string(kConvertAgain));
  }
  if (!c.rope_scaling) return findings.end(absl::StrCat("no YaRN; softmax scale ", scale));
  const YarnScaling& yarn = *c.rope_scaling;
  if (yarn.factor > 1.0 && yarn.mscale_all_dim == 0.0) {
    findings.warning(
        absl::StrCat(checkpoint.spelling("rope_scaling.mscale_all_dim"),
                     ": found 0 or nothing, so attention is scaled by ", scale,
                     ", without mscale squared; every released model with YaRN has this number"),
        "Convert the model again; for a directory, take config.json as it was published.");
  }
  // A converter that forgets the tenth which GGUF keeps makes a 1 a 10.
  for (const auto& [name, value] : {std::pair("rope_scaling.mscale_all_dim", yarn.mscale_all_dim),
                                    {"rope_scaling.mscale", yarn.mscale}}) {
    if (value <= 2.0) continue;
    findings.error(absl::StrCat(checkpoint.spelling(name), ": stands for an mscale of ", value,
                                ", wanted at most 2; released models have 0.707 or 1"),
                   "GGUF files hold a tenth of mscale_all_dim under this key. Convert again.");
    break;  // a GGUF file has one key for both
  }
  if (yarn.beta_fast < yarn.beta_slow) {
    findings.error(absl::StrCat(checkpoint.spelling("rope_scaling.beta_fast"), ": found ",
                                yarn.beta_fast, ", less than beta_slow, which is ", yarn.beta_slow),
                   std::string(kConvertAgain));
  }
  if (!says(checkpoint, "rope_scaling.beta_fast") && says(checkpoint, "rope_scaling.factor")) {
    findings.note(absl::StrCat(checkpoint.spelling("rope_scaling.beta_fast"),
                               ": the file does not say; ", yarn.beta_fast, " and ", yarn.beta_slow,
                               " are taken. Kimi-K2 wants 1 and 1"));
  }
  const double reach = yarn.factor * yarn.original_max_position_embeddings;
  if (c.max_position_embeddings > reach * 1.01) {
    findings.warning(absl::StrCat(checkpoint.spelling("max_position_embeddings"), ": found ",
                                  c.max_position_embeddings, ", more than YaRN's ", yarn.factor,
                                  " times ", yarn.original_max_position_embeddings),
                     absl::StrCat("Keep the context within ", reach, " tokens."));
  }
  findings.end(absl::StrCat("factor ", yarn.factor, ", betas ", yarn.beta_fast, " and ",
                            yarn.beta_slow, "; softmax scale ", scale, ", which is ", scale / plain,
                            " times ", c.qk_head_dim(), "^-1/2"));
}

void check_lm_head(const Checkpoint& checkpoint, const ModelConfig& c, Findings& findings) {
  findings.begin("lm_head");
  const Manifest& manifest = checkpoint.manifest();
  const bool has_head = manifest.find("lm_head") != nullptr;
  if (manifest.find("embed_tokens") == nullptr) {
    findings.error(
        absl::StrCat(checkpoint.files().front()->path(), ": the tensor embed_tokens is missing"),
        "The file lacks a part of the model: download or convert it again.");
  } else if (!has_head) {
    findings.warning(
        absl::StrCat(checkpoint.spelling("tie_word_embeddings"),
                     ": there is no head of its own, so the embedding serves as one; no released "
                     "model of the family ties them"),
        "If the model was published with an lm_head, a part of it is missing: convert it again.");
  } else if (c.tie_word_embeddings) {
    findings.note(absl::StrCat(checkpoint.spelling("tie_word_embeddings"),
                               ": true, and yet there is an lm_head, which is used"));
  }
  findings.end("a head of its own");
}

}  // namespace hadal
