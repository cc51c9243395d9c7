#include "lib/convert/gguf_keys.hpp"

#include <algorithm>
#include <vector>

#include "lib/checkpoint/gguf_names.hpp"

namespace hadal {
namespace {

constexpr uint64_t kQuantizationVersion = 2;

std::string key(absl::string_view suffix) { return full_gguf_key(suffix); }

uint64_t number(int32_t value) { return static_cast<uint64_t>(value); }

// The sizes of the absorbed form where kv_b is in two halves, with those of a head under keys of
// their own; the sizes of a head where it is joint, as before April 2025.
void set_attention(GgufEntries& e, const ModelConfig& c, bool is_joint) {
  if (is_joint) {
    e.set_u32(key("attention.head_count_kv"), number(c.num_attention_heads));
    e.set_u32(key("attention.key_length"), number(c.qk_head_dim()));
    e.set_u32(key("attention.value_length"), number(c.v_head_dim));
    e.erase(key("attention.key_length_mla"));
    e.erase(key("attention.value_length_mla"));
    return;
  }
  e.set_u32(key("attention.head_count_kv"), 1);
  e.set_u32(key("attention.key_length"), number(c.latent_dim()));
  e.set_u32(key("attention.value_length"), number(c.kv_lora_rank));
  e.set_u32(key("attention.key_length_mla"), number(c.qk_head_dim()));
  e.set_u32(key("attention.value_length_mla"), number(c.v_head_dim));
}

void set_layers(GgufEntries& e, const ModelConfig& c, int32_t n_mtp_layers) {
  e.set_u32(key("block_count"), number(c.num_hidden_layers + n_mtp_layers));
  if (n_mtp_layers > 0) {
    e.set_u32(key("nextn_predict_layers"), number(n_mtp_layers));
  } else {
    e.erase(key("nextn_predict_layers"));
  }
}

void set_rope(GgufEntries& e, const ModelConfig& c, const Log& log) {
  e.set_f32(key("rope.freq_base"), c.rope_theta);
  e.set_u32(key("rope.dimension_count"), number(c.qk_rope_head_dim));
  if (!c.rope_scaling) return;
  const YarnScaling& yarn = *c.rope_scaling;
  e.set_text(key("rope.scaling.type"), "yarn");
  e.set_f32(key("rope.scaling.factor"), yarn.factor);
  e.set_u32(key("rope.scaling.original_context_length"),
            number(yarn.original_max_position_embeddings));
  e.set_f32(key("rope.scaling.yarn_log_multiplier"), 0.1 * yarn.mscale_all_dim);
  e.set_f32(key("rope.scaling.yarn_beta_fast"), yarn.beta_fast);
  e.set_f32(key("rope.scaling.yarn_beta_slow"), yarn.beta_slow);
  if (yarn.mscale != yarn.mscale_all_dim) {
    log.warning("convert",
                absl::StrCat("rope_scaling.mscale is ", yarn.mscale, ", mscale_all_dim ",
                             yarn.mscale_all_dim,
                             ": GGUF has a key for the second alone, so the file will answer "
                             "slightly otherwise"));
  }
}

void set_experts(GgufEntries& e, const ModelConfig& c) {
  e.set_u32(key("leading_dense_block_count"), number(c.first_k_dense_replace));
  if (c.n_routed_experts == 0) return;
  e.set_u32(key("expert_count"), number(c.n_routed_experts));
  e.set_u32(key("expert_used_count"), number(c.num_experts_per_tok));
  e.set_u32(key("expert_shared_count"), number(c.n_shared_experts));
  e.set_u32(key("expert_feed_forward_length"), number(c.moe_intermediate_size));
  e.set_f32(key("expert_weights_scale"), static_cast<double>(c.routed_scaling_factor));
  if (c.norm_topk_prob) e.set_flag(key("expert_weights_norm"), true);
  e.set_u32(key("expert_gating_func"), c.scoring_func == ScoringFunc::kSigmoid ? 2 : 1);
  if (c.n_group > 1) {
    e.set_u32(key("expert_group_count"), number(c.n_group));
    e.set_u32(key("expert_group_used_count"), number(c.topk_group));
  }
}

uint64_t token_type(TokenKind kind) {
  switch (kind) {
    case TokenKind::kNormal: return 1;
    case TokenKind::kControl: return 3;
    case TokenKind::kUserDefined: return 4;
    case TokenKind::kUnused: break;
  }
  return 5;
}

// A token for every row of the embedding, as most readers want it: unused ones where there is none.
void set_vocabulary(GgufEntries& e, const Vocabulary& v, int32_t rows, const Log& log) {
  std::vector<std::string> texts;
  std::vector<int32_t> types;
  const size_t n = std::max(v.tokens.size(), static_cast<size_t>(rows));
  texts.reserve(n);
  types.reserve(n);
  for (size_t id = 0; id < n; ++id) {
    const TokenKind kind = id < v.tokens.size() ? v.tokens[id].kind : TokenKind::kUnused;
    texts.push_back(kind == TokenKind::kUnused ? absl::StrCat("[PAD", id, "]") : v.tokens[id].text);
    types.push_back(static_cast<int32_t>(token_type(kind)));
  }
  e.set_text("tokenizer.ggml.model", "gpt2");
  e.set_text("tokenizer.ggml.pre", v.pre_tokenizer);
  e.set_texts("tokenizer.ggml.tokens", texts);
  e.set_i32s("tokenizer.ggml.token_type", types);
  e.set_texts("tokenizer.ggml.merges", v.merges);
  if (v.bos_id) e.set_u32("tokenizer.ggml.bos_token_id", number(*v.bos_id));
  constexpr absl::string_view kEnds[] = {
      "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
  for (size_t i = 0; i < v.eos_ids.size() && i < std::size(kEnds); ++i)
    e.set_u32(kEnds[i], number(v.eos_ids[i]));
  if (v.eos_ids.size() > std::size(kEnds)) {
    log.warning("convert", absl::StrCat(v.eos_ids.size(),
                                        " tokens end a turn; GGUF has keys for the first three"));
  }
  const std::optional<int32_t> eos =
      v.eos_ids.empty() ? std::nullopt : std::optional(v.eos_ids.front());
  const std::optional<int32_t> pad = v.pad_id ? v.pad_id : eos;
  if (pad) e.set_u32("tokenizer.ggml.padding_token_id", number(*pad));
  e.set_flag("tokenizer.ggml.add_bos_token", v.add_bos);
  e.set_flag("tokenizer.ggml.add_eos_token", false);
  if (!v.chat_template.empty()) e.set_text("tokenizer.chat_template", v.chat_template);
}

}  // namespace

GgufEntries gguf_keys_of_model(const ModelConfig& c, const Vocabulary& vocabulary,
                               absl::string_view name, const GgufShape& shape, const Log& log) {
  GgufEntries e;
  e.set_text("general.architecture", kGgufArchitecture);
  e.set_text("general.type", "model");
  e.set_text("general.name", name);
  if (shape.file_type) e.set_u32("general.file_type", *shape.file_type);
  e.set_u32("general.quantization_version", kQuantizationVersion);
  set_layers(e, c, shape.n_mtp_layers);
  e.set_u32(key("context_length"), number(c.max_position_embeddings));
  e.set_u32(key("embedding_length"), number(c.hidden_size));
  if (c.intermediate_size > 0) e.set_u32(key("feed_forward_length"), number(c.intermediate_size));
  e.set_u32(key("attention.head_count"), number(c.num_attention_heads));
  set_attention(e, c, shape.kv_b_is_joint);
  if (c.q_lora_rank) e.set_u32(key("attention.q_lora_rank"), number(*c.q_lora_rank));
  e.set_u32(key("attention.kv_lora_rank"), number(c.kv_lora_rank));
  e.set_f32(key("attention.layer_norm_rms_epsilon"), static_cast<double>(c.rms_norm_eps));
  set_rope(e, c, log);
  e.set_u32(key("vocab_size"), number(c.vocab_size));
  set_experts(e, c);
  set_vocabulary(e, vocabulary, c.vocab_size, log);
  return e;
}

GgufEntries changed_gguf_keys(const GgufMetadata& metadata, const ModelConfig& config,
                              const GgufShape& shape) {
  GgufEntries e;
  for (const GgufMetadata::Entry& entry : metadata.entries()) e.append(entry.key, entry.value);
  for (const absl::string_view split : {"split.no", "split.count", "split.tensors.count"})
    e.erase(split);
  if (shape.file_type) e.set_u32("general.file_type", *shape.file_type);
  e.set_u32("general.quantization_version", kQuantizationVersion);
  set_layers(e, config, shape.n_mtp_layers);
  const bool was_joint = e.find(key("attention.key_length_mla")) == nullptr &&
                         e.find(key("attention.value_length_mla")) == nullptr;
  if (was_joint != shape.kv_b_is_joint) set_attention(e, config, shape.kv_b_is_joint);
  return e;
}

void set_importance_keys(GgufEntries& entries, const Importance* importance) {
  constexpr absl::string_view kFile = "quantize.imatrix.file";
  constexpr absl::string_view kDataset = "quantize.imatrix.dataset";
  constexpr absl::string_view kEntries = "quantize.imatrix.entries_count";
  constexpr absl::string_view kChunks = "quantize.imatrix.chunks_count";
  for (const absl::string_view key : {kFile, kDataset, kEntries, kChunks}) entries.erase(key);
  if (importance == nullptr) return;
  const ImportanceSource source = importance->source();
  if (!source.file.empty()) entries.set_text(kFile, source.file);
  if (!source.dataset.empty()) entries.set_text(kDataset, source.dataset);
  if (source.n_entries > 0) entries.set_i32(kEntries, source.n_entries);
  if (source.n_chunks > 0) entries.set_i32(kChunks, source.n_chunks);
}

void set_split_keys(GgufEntries& entries, size_t number, size_t count, size_t n_tensors) {
  entries.set_u16("split.no", number);
  entries.set_u16("split.count", count);
  entries.set_i32("split.tensors.count", static_cast<int64_t>(n_tensors));
}

}  // namespace hadal
