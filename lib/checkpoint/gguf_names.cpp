#include "lib/checkpoint/gguf_names.hpp"

#include <charconv>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace hadal {
namespace {

constexpr GgufKeyName kKeys[] = {
    {"vocab_size", GgufKind::kInteger, "vocab_size"},
    {"embedding_length", GgufKind::kInteger, "hidden_size"},
    {"block_count", GgufKind::kInteger, "num_hidden_layers"},
    {"nextn_predict_layers", GgufKind::kInteger, "num_nextn_predict_layers"},
    {"leading_dense_block_count", GgufKind::kInteger, "first_k_dense_replace"},
    {"feed_forward_length", GgufKind::kInteger, "intermediate_size"},
    {"context_length", GgufKind::kInteger, "max_position_embeddings"},
    {"attention.head_count", GgufKind::kInteger, "num_attention_heads"},
    {"attention.head_count_kv", GgufKind::kInteger, nullptr},
    {"attention.q_lora_rank", GgufKind::kInteger, "q_lora_rank"},
    {"attention.kv_lora_rank", GgufKind::kInteger, "kv_lora_rank"},
    {"attention.key_length", GgufKind::kInteger, nullptr},
    {"attention.value_length", GgufKind::kInteger, nullptr},
    {"attention.key_length_mla", GgufKind::kInteger, "qk_nope_head_dim"},
    {"attention.value_length_mla", GgufKind::kInteger, "v_head_dim"},
    {"attention.layer_norm_rms_epsilon", GgufKind::kReal, "rms_norm_eps"},
    {"attention.temperature_scale", GgufKind::kReal, nullptr},
    {"rope.dimension_count", GgufKind::kInteger, "qk_rope_head_dim"},
    {"rope.freq_base", GgufKind::kReal, "rope_theta"},
    {"rope.scaling.type", GgufKind::kText, "rope_scaling.type"},
    {"rope.scaling.factor", GgufKind::kReal, "rope_scaling.factor"},
    {"rope.scaling.original_context_length", GgufKind::kInteger,
     "rope_scaling.original_max_position_embeddings"},
    {"rope.scaling.yarn_beta_fast", GgufKind::kReal, "rope_scaling.beta_fast"},
    {"rope.scaling.yarn_beta_slow", GgufKind::kReal, "rope_scaling.beta_slow"},
    {"rope.scaling.yarn_log_multiplier", GgufKind::kReal, "rope_scaling.mscale"},
    {"rope.scaling.yarn_log_multiplier", GgufKind::kReal, "rope_scaling.mscale_all_dim"},
    {"rope.scaling.yarn_ext_factor", GgufKind::kReal, nullptr},
    {"rope.scaling.yarn_attn_factor", GgufKind::kReal, nullptr},
    {"rope.scaling.attn_factor", GgufKind::kReal, nullptr},
    {"expert_count", GgufKind::kInteger, "n_routed_experts"},
    {"expert_used_count", GgufKind::kInteger, "num_experts_per_tok"},
    {"expert_shared_count", GgufKind::kInteger, "n_shared_experts"},
    {"expert_feed_forward_length", GgufKind::kInteger, "moe_intermediate_size"},
    {"expert_group_count", GgufKind::kInteger, "n_group"},
    {"expert_group_used_count", GgufKind::kInteger, "topk_group"},
    {"expert_weights_scale", GgufKind::kReal, "routed_scaling_factor"},
    {"expert_weights_norm", GgufKind::kFlag, "norm_topk_prob"},
    {"expert_gating_func", GgufKind::kInteger, "scoring_func"},
    {".general.architecture", GgufKind::kText, nullptr},
    {".general.type", GgufKind::kText, nullptr},
    {".general.quantization_version", GgufKind::kInteger, nullptr},
    {".tokenizer.ggml.model", GgufKind::kText, nullptr},
    {".tokenizer.ggml.pre", GgufKind::kText, nullptr},
    {".tokenizer.ggml.tokens", GgufKind::kStrings, nullptr},
    {".tokenizer.ggml.token_type", GgufKind::kIntegers, nullptr},
    {".tokenizer.ggml.merges", GgufKind::kStrings, nullptr},
    {".tokenizer.ggml.bos_token_id", GgufKind::kInteger, nullptr},
    {".tokenizer.ggml.eos_token_id", GgufKind::kInteger, nullptr},
    {".tokenizer.ggml.eot_token_id", GgufKind::kInteger, nullptr},
    {".tokenizer.ggml.eom_token_id", GgufKind::kInteger, nullptr},
    {".tokenizer.ggml.add_bos_token", GgufKind::kFlag, nullptr},
    {".tokenizer.chat_template", GgufKind::kText, nullptr},
};

struct TensorName {
  const char* in_file;
  const char* name;
};
constexpr TensorName kModelTensors[] = {
    {"token_embd.weight", "embed_tokens"},
    {"output_norm.weight", "norm"},
    {"output.weight", "lm_head"},
};
// Behind "blk.<N>." there, behind "layers.<N>." here.
constexpr TensorName kLayerTensors[] = {
    {"attn_norm.weight", "input_layernorm"},
    {"ffn_norm.weight", "post_attention_layernorm"},
    {"attn_q.weight", "self_attn.q_proj"},
    {"attn_q_a.weight", "self_attn.q_a_proj"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm"},
    {"attn_q_b.weight", "self_attn.q_b_proj"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm"},
    {"attn_kv_b.weight", "self_attn.kv_b_proj"},
    {"attn_k_b.weight", "self_attn.k_b_proj"},
    {"attn_v_b.weight", "self_attn.v_b_proj"},
    {"attn_output.weight", "self_attn.o_proj"},
    {"ffn_gate.weight", "mlp.gate_proj"},
    {"ffn_up.weight", "mlp.up_proj"},
    {"ffn_down.weight", "mlp.down_proj"},
    {"ffn_gate_inp.weight", "mlp.gate"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"exp_probs_b", "mlp.gate.e_score_correction_bias"},
    {"ffn_gate_exps.weight", "mlp.experts.gate_proj"},
    {"ffn_up_exps.weight", "mlp.experts.up_proj"},
    {"ffn_down_exps.weight", "mlp.experts.down_proj"},
    {"ffn_gate_up_exps.weight", "mlp.experts.gate_up_proj"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj"},
    {"nextn.eh_proj.weight", "eh_proj"},
    {"nextn.embed_tokens.weight", "embed_tokens"},
    {"nextn.enorm.weight", "enorm"},
    {"nextn.hnorm.weight", "hnorm"},
    {"nextn.shared_head_head.weight", "shared_head.head"},
    {"nextn.shared_head_norm.weight", "shared_head.norm"},
};

// A layer's number as "blk.<N>." spells it: no sign, no zeros in front, small enough to count.
bool is_layer_number(absl::string_view digits) {
  uint32_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  return error == std::errc() && stop == end && (digits == "0" || digits[0] != '0');
}

}  // namespace

std::span<const GgufKeyName> gguf_key_names() { return kKeys; }

std::string full_gguf_key(absl::string_view key) {
  if (absl::ConsumePrefix(&key, ".")) return std::string(key);
  return absl::StrCat(kGgufArchitecture, ".", key);
}

std::string gguf_tensor_name(absl::string_view name) {
  for (const TensorName& entry : kModelTensors) {
    if (name == entry.name) return entry.in_file;
  }
  absl::string_view rest = name;
  if (!absl::ConsumePrefix(&rest, "layers.")) return "";
  const size_t dot = rest.find('.');
  if (dot == absl::string_view::npos || dot == 0) return "";
  const absl::string_view layer = rest.substr(0, dot);
  rest.remove_prefix(dot + 1);
  if (!is_layer_number(layer)) return "";
  for (const TensorName& entry : kLayerTensors) {  // of two spellings, the usual one is the first
    if (rest == entry.name) return absl::StrCat("blk.", layer, ".", entry.in_file);
  }
  return "";
}

std::string translated_gguf_tensor(absl::string_view in_file) {
  for (const TensorName& entry : kModelTensors) {
    if (in_file == entry.in_file) return entry.name;
  }
  absl::string_view rest = in_file;
  if (!absl::ConsumePrefix(&rest, "blk.")) return std::string(in_file);
  const size_t dot = rest.find('.');
  if (dot == absl::string_view::npos || dot == 0) return std::string(in_file);
  const absl::string_view layer = rest.substr(0, dot);
  rest.remove_prefix(dot + 1);
  if (!is_layer_number(layer)) return std::string(in_file);
  for (const TensorName& entry : kLayerTensors) {
    if (rest == entry.in_file) return absl::StrCat("layers.", layer, ".", entry.name);
  }
  return std::string(in_file);
}

}  // namespace hadal
