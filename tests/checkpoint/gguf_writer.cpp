#include "tests/checkpoint/gguf_writer.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace hadal::test {
namespace {

struct Block {
  uint64_t elements, bytes;
};
Block block_of(uint32_t type) {
  switch (type) {
    case 0: return {1, 4};       // f32
    case 1: return {1, 2};       // f16
    case 2: return {32, 18};     // q4_0
    case 8: return {32, 34};     // q8_0
    case 12: return {256, 144};  // q4_k
    case 30: return {1, 2};      // bf16
    default: return {1, 1};
  }
}

void pad(std::string* text, uint64_t step) {
  text->resize((text->size() + step - 1) / step * step);
}

}  // namespace

std::string raw_string(const std::string& text) { return raw(uint64_t{text.size()}) + text; }

GgufWriter& GgufWriter::set_raw(const std::string& key, uint32_t type, std::string value) {
  for (Entry& entry : entries) {
    if (entry.key == key) {
      entry.type = type;
      entry.value = std::move(value);
      return *this;
    }
  }
  entries.push_back({key, type, std::move(value), std::nullopt});
  return *this;
}

GgufWriter& GgufWriter::set_strings(const std::string& key,
                                    const std::vector<std::string>& values) {
  std::string value = raw(uint32_t{8}) + raw(uint64_t{values.size()});
  for (const std::string& text : values) value += raw_string(text);
  return set_raw(key, 9, value);
}

GgufWriter& GgufWriter::set_i32s(const std::string& key, const std::vector<int32_t>& values) {
  std::string value = raw(uint32_t{5}) + raw(uint64_t{values.size()});
  for (const int32_t number : values) value += raw(number);
  return set_raw(key, 9, value);
}

GgufWriter& GgufWriter::remove(const std::string& key) {
  std::erase_if(entries, [&](const Entry& entry) { return entry.key == key; });
  return *this;
}

GgufWriter::Tensor& GgufWriter::tensor(const std::string& name,
                                       const std::vector<uint64_t>& dimensions, uint32_t type) {
  Tensor& added = tensors.emplace_back();
  added.name = name;
  added.dimensions = dimensions;
  added.type = type;
  uint64_t n_elements = 1;
  for (const uint64_t dimension : dimensions) n_elements *= dimension;
  const Block block = block_of(type);
  added.size_bytes = n_elements / block.elements * block.bytes;
  return added;
}

GgufWriter& GgufWriter::remove_tensor(const std::string& name) {
  std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name == name; });
  return *this;
}

GgufWriter::Tensor& GgufWriter::find_tensor(const std::string& name) {
  for (Tensor& tensor : tensors) {
    if (tensor.name == name) return tensor;
  }
  throw std::out_of_range(name);
}

std::string GgufWriter::bytes(Places* places) const {
  Places ignored;
  Places& p = places == nullptr ? ignored : *places;
  p = {};
  std::string out = magic + raw(version) + raw(n_tensors.value_or(tensors.size())) +
                    raw(n_entries.value_or(entries.size()));
  for (const Entry& entry : entries) {
    p.entries.push_back(out.size());
    out += raw(entry.key_size.value_or(entry.key.size())) + entry.key + raw(entry.type);
    out += entry.value;
  }
  std::string data;
  for (const Tensor& tensor : tensors) {
    p.tensors.push_back(out.size());
    out += raw(tensor.name_size.value_or(tensor.name.size())) + tensor.name;
    out += raw(tensor.n_dimensions.value_or(static_cast<uint32_t>(tensor.dimensions.size())));
    for (const uint64_t dimension : tensor.dimensions) out += raw(dimension);
    pad(&data, alignment);
    out += raw(tensor.type) + raw(tensor.offset.value_or(data.size()));
    std::string own = tensor.data;
    own.resize(tensor.size_bytes);
    data += own;
  }
  p.header_end = out.size();
  pad(&out, alignment);
  p.data_start = out.size();
  out += data;
  if (pads_end) pad(&out, alignment);
  return out;
}

GgufWriter tiny_model() {
  GgufWriter w;
  w.set_text("general.architecture", "deepseek2");
  w.set_text("general.type", "model");
  w.set_text("general.name", "tiny");
  w.set_u32("general.quantization_version", 2);
  w.set_u32("general.alignment", 32);
  const auto u32 = [&](const char* key, uint32_t value) {
    w.set_u32(std::string("deepseek2.") + key, value);
  };
  const auto f32 = [&](const char* key, float value) {
    w.set_f32(std::string("deepseek2.") + key, value);
  };
  u32("vocab_size", 8);
  u32("context_length", 64);
  u32("embedding_length", 4);
  u32("block_count", 3);
  u32("nextn_predict_layers", 1);
  u32("leading_dense_block_count", 1);
  u32("feed_forward_length", 6);
  u32("attention.head_count", 2);
  u32("attention.head_count_kv", 1);
  u32("attention.key_length", 6);
  u32("attention.value_length", 4);
  u32("attention.key_length_mla", 5);
  u32("attention.value_length_mla", 2);
  u32("attention.q_lora_rank", 3);
  u32("attention.kv_lora_rank", 4);
  f32("attention.layer_norm_rms_epsilon", 1e-6f);
  u32("rope.dimension_count", 2);
  f32("rope.freq_base", 10000.0f);
  w.set_text("deepseek2.rope.scaling.type", "yarn");
  f32("rope.scaling.factor", 40.0f);
  u32("rope.scaling.original_context_length", 16);
  f32("rope.scaling.yarn_log_multiplier", 0.1f);
  f32("rope.scaling.yarn_beta_fast", 32.0f);
  f32("rope.scaling.yarn_beta_slow", 1.0f);
  u32("expert_count", 4);
  u32("expert_used_count", 2);
  u32("expert_shared_count", 1);
  u32("expert_feed_forward_length", 2);
  u32("expert_gating_func", 2);
  u32("expert_group_count", 2);
  u32("expert_group_used_count", 1);
  f32("expert_weights_scale", 2.5f);
  w.set_bool("deepseek2.expert_weights_norm", true);

  w.set_text("tokenizer.ggml.model", "gpt2");
  w.set_text("tokenizer.ggml.pre", "deepseek-v3");
  w.set_strings("tokenizer.ggml.tokens", {"<bos>", "<eos>", "a", "b", "ab", "<think>", "", "c"});
  w.set_i32s("tokenizer.ggml.token_type", {3, 3, 1, 1, 1, 4, 5, 2});
  w.set_strings("tokenizer.ggml.merges", {"a b"});
  w.set_u32("tokenizer.ggml.bos_token_id", 0);
  w.set_u32("tokenizer.ggml.eos_token_id", 1);
  w.set_bool("tokenizer.ggml.add_bos_token", true);
  w.set_text("tokenizer.chat_template", "{{ messages }}");

  w.tensor("token_embd.weight", {4, 8});
  w.tensor("output_norm.weight", {4});
  w.tensor("output.weight", {4, 8}, 30);
  for (int layer = 0; layer < 3; ++layer) {
    const std::string blk = "blk." + std::to_string(layer) + ".";
    w.tensor(blk + "attn_norm.weight", {4});
    w.tensor(blk + "attn_q_a.weight", {4, 3});
    w.tensor(blk + "attn_q_a_norm.weight", {3});
    w.tensor(blk + "attn_q_b.weight", {3, 10});
    w.tensor(blk + "attn_kv_a_mqa.weight", {4, 6});
    w.tensor(blk + "attn_kv_a_norm.weight", {4});
    w.tensor(blk + "attn_k_b.weight", {3, 4, 2});
    w.tensor(blk + "attn_v_b.weight", {4, 2, 2});
    w.tensor(blk + "attn_output.weight", {4, 4});
    w.tensor(blk + "ffn_norm.weight", {4});
    if (layer == 0) {
      w.tensor(blk + "ffn_gate.weight", {4, 6});
      w.tensor(blk + "ffn_up.weight", {4, 6});
      w.tensor(blk + "ffn_down.weight", {6, 4});
      continue;
    }
    w.tensor(blk + "ffn_gate_inp.weight", {4, 4});
    w.tensor(blk + "exp_probs_b.bias", {4});
    w.tensor(blk + "ffn_gate_exps.weight", {4, 2, 4});
    w.tensor(blk + "ffn_up_exps.weight", {4, 2, 4});
    w.tensor(blk + "ffn_down_exps.weight", {2, 4, 4});
    w.tensor(blk + "ffn_gate_shexp.weight", {4, 2});
    w.tensor(blk + "ffn_up_shexp.weight", {4, 2});
    w.tensor(blk + "ffn_down_shexp.weight", {2, 4});
  }
  w.tensor("blk.2.nextn.eh_proj.weight", {8, 4});
  w.tensor("blk.2.nextn.embed_tokens.weight", {4, 8});
  w.tensor("blk.2.nextn.enorm.weight", {4});
  w.tensor("blk.2.nextn.hnorm.weight", {4});
  w.tensor("blk.2.nextn.shared_head_head.weight", {4, 8});
  w.tensor("blk.2.nextn.shared_head_norm.weight", {4});
  return w;
}

std::vector<GgufWriter> split(const GgufWriter& model, int n_files) {
  std::vector<GgufWriter> shards(static_cast<size_t>(n_files));
  shards[0].entries = model.entries;
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].set_raw("split.no", 2, raw(static_cast<uint16_t>(i)));
    shards[i].set_raw("split.count", 2, raw(static_cast<uint16_t>(n_files)));
    shards[i].set_raw("split.tensors.count", 5, raw(static_cast<int32_t>(model.tensors.size())));
  }
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    shards[i % shards.size()].tensors.push_back(model.tensors[i]);
  }
  return shards;
}

std::string shard_path(const std::string& prefix, int number, int count) {
  char name[64];
  std::snprintf(name, sizeof name, "-%05d-of-%05d.gguf", number, count);
  return prefix + name;
}

}  // namespace hadal::test
