#include "lib/model/mtp_sidecar.hpp"

#include <algorithm>
#include <cmath>

#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kOfAnother =
    "The MTP layer was made for another model: give the one of the same checkpoint.";

// Compares two configurations number by number; the first difference sticks.
class Comparison {
 public:
  Comparison(const Checkpoint& trunk, const Checkpoint& sidecar)
      : trunk_(trunk), sidecar_(sidecar) {}

  void same(absl::string_view name, double of_trunk, double of_sidecar) {
    // Files hold some of them in 32 bits, others as text.
    const double most = std::max(std::abs(of_trunk), std::abs(of_sidecar));
    if (!status_.ok() || std::abs(of_trunk - of_sidecar) <= 1e-5 * most) return;
    status_ = fail(HADAL_E_UNSUPPORTED,
                   absl::StrCat(sidecar_.spelling(name), ": found ", of_sidecar, ", wanted ",
                                of_trunk, ", as ", trunk_.spelling(name), " says"),
                   kOfAnother);
  }
  const absl::Status& status() const { return status_; }

 private:
  const Checkpoint &trunk_, &sidecar_;
  absl::Status status_;
};

absl::Status compare(const Checkpoint& trunk, const ModelConfig& t, const Checkpoint& sidecar,
                     const ModelConfig& s) {
  Comparison c(trunk, sidecar);
  c.same("hidden_size", t.hidden_size, s.hidden_size);
  c.same("vocab_size", t.vocab_size, s.vocab_size);
  c.same("num_hidden_layers", t.num_hidden_layers, s.num_hidden_layers);
  c.same("num_attention_heads", t.num_attention_heads, s.num_attention_heads);
  c.same("q_lora_rank", t.q_lora_rank.value_or(0), s.q_lora_rank.value_or(0));
  c.same("kv_lora_rank", t.kv_lora_rank, s.kv_lora_rank);
  c.same("qk_rope_head_dim", t.qk_rope_head_dim, s.qk_rope_head_dim);
  c.same("qk_nope_head_dim", t.qk_nope_head_dim, s.qk_nope_head_dim);
  c.same("v_head_dim", t.v_head_dim, s.v_head_dim);
  c.same("n_routed_experts", t.n_routed_experts, s.n_routed_experts);
  c.same("num_experts_per_tok", t.num_experts_per_tok, s.num_experts_per_tok);
  c.same("n_shared_experts", t.n_shared_experts, s.n_shared_experts);
  c.same("moe_intermediate_size", t.moe_intermediate_size, s.moe_intermediate_size);
  c.same("scoring_func", static_cast<int>(t.scoring_func), static_cast<int>(s.scoring_func));
  c.same("topk_method", static_cast<int>(t.topk_method), static_cast<int>(s.topk_method));
  c.same("norm_topk_prob", t.norm_topk_prob, s.norm_topk_prob);
  c.same("routed_scaling_factor", static_cast<double>(t.routed_scaling_factor),
         static_cast<double>(s.routed_scaling_factor));
  c.same("rms_norm_eps", static_cast<double>(t.rms_norm_eps), static_cast<double>(s.rms_norm_eps));
  c.same("rope_theta", t.rope_theta, s.rope_theta);
  // 0: no YaRN. mscale is left out: a GGUF file has no key for it.
  const auto of_yarn = [](const ModelConfig& config, auto member) {
    return config.rope_scaling ? static_cast<double>((*config.rope_scaling).*member) : 0.0;
  };
  c.same("rope_scaling.factor", of_yarn(t, &YarnScaling::factor), of_yarn(s, &YarnScaling::factor));
  c.same("rope_scaling.original_max_position_embeddings",
         of_yarn(t, &YarnScaling::original_max_position_embeddings),
         of_yarn(s, &YarnScaling::original_max_position_embeddings));
  return c.status();
}

}  // namespace

absl::StatusOr<MtpSidecar> open_mtp_sidecar(FileSystem& files, absl::string_view path,
                                            CheckpointOptions options, const Log& log,
                                            const Checkpoint& trunk,
                                            const ModelConfig& trunk_config) {
  const std::string& trunk_path = trunk.files().front()->path();
  if (trunk_config.num_nextn_predict_layers > 0) {
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat(trunk_path,
                             " has an MTP layer of its own, and the option mtp_path "
                             "names another: ",
                             path),
                "Leave the option mtp_path out.");
  }
  options.only_mtp_layers = true;
  MtpSidecar sidecar;
  HADAL_ASSIGN_OR_RETURN(sidecar.checkpoint, open_checkpoint(files, path, options, log));
  HADAL_ASSIGN_OR_RETURN(sidecar.config, read_config(*sidecar.checkpoint));
  if (sidecar.config.num_nextn_predict_layers == 0) {
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat(path, ": found no MTP layer, wanted that of ", trunk_path),
                "Give a GGUF file whose nextn_predict_layers is 1, or a directory of safetensors "
                "with the tensors of the layer behind the last.");
  }
  HADAL_RETURN_IF_ERROR(compare(trunk, trunk_config, *sidecar.checkpoint, sidecar.config));
  // Old files say nothing of groups. Which experts a guess takes decides how often it is right, and
  // never what the model says.
  if (sidecar.config.n_group != trunk_config.n_group ||
      sidecar.config.topk_group != trunk_config.topk_group) {
    log.warning("load", absl::StrCat(path, ": experts in ", sidecar.config.n_group, " groups, in ",
                                     trunk_path, " ", trunk_config.n_group,
                                     ": the MTP layer is routed as the latter says"));
  }
  return sidecar;
}

absl::Status check_same_vocabulary(const Checkpoint& sidecar, const Vocabulary& trunk) {
  // A GGUF file may hold the layer and nothing else.
  const std::vector<std::string> keys = sidecar.metadata_keys();
  const auto has = [&](const char* key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  if (has("general.architecture") && !has("tokenizer.ggml.tokens")) return absl::OkStatus();
  const absl::StatusOr<Vocabulary> own = sidecar.vocabulary();
  if (!own.ok()) {
    return code_of(own.status()) == HADAL_E_NOT_FOUND ? absl::OkStatus() : own.status();
  }
  const size_t n = std::min(own->tokens.size(), trunk.tokens.size());
  for (size_t i = 0; i < n; ++i) {
    const Vocabulary::Token &a = trunk.tokens[i], &b = own->tokens[i];
    // Formats tell special tokens apart differently, and spell the others in another alphabet.
    const bool comparable = a.kind != TokenKind::kUnused && b.kind != TokenKind::kUnused &&
                            (a.kind == TokenKind::kNormal) == (b.kind == TokenKind::kNormal);
    if (!comparable || a.text == b.text) continue;
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat(own->source, ": token ", i, " is ", printable(b.text), ", in ",
                             trunk.source, " it is ", printable(a.text)),
                kOfAnother);
  }
  return absl::OkStatus();
}

}  // namespace hadal
