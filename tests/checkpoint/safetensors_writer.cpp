#include "tests/checkpoint/safetensors_writer.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "absl/strings/str_join.h"

namespace hadal::test {
namespace {

uint64_t bytes_of_dtype(const std::string& dtype) {
  if (dtype == "F32" || dtype == "I32") return 4;
  if (dtype == "F64" || dtype == "I64") return 8;
  if (dtype == "BF16" || dtype == "F16" || dtype == "I16") return 2;
  return 1;
}

std::string quoted(const std::string& text) { return write_json(Json(text)); }

}  // namespace

SafetensorsWriter::Tensor& SafetensorsWriter::tensor(const std::string& name,
                                                     const std::string& dtype,
                                                     const std::vector<uint64_t>& shape,
                                                     std::string data) {
  uint64_t size = bytes_of_dtype(dtype);
  for (const uint64_t d : shape) size *= d;
  if (data.empty()) data = std::string(size, static_cast<char>(tensors.size() + 1));
  tensors.push_back({name, dtype, shape, std::move(data), std::nullopt});
  return tensors.back();
}

SafetensorsWriter::Tensor& SafetensorsWriter::find(const std::string& name) {
  const auto place = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const Tensor& one) { return one.name == name; });
  HADAL_CHECK(place != tensors.end());
  return *place;
}

void SafetensorsWriter::remove(const std::string& name) {
  std::erase_if(tensors, [&](const Tensor& one) { return one.name == name; });
}

std::string SafetensorsWriter::header_text() const {
  std::vector<std::string> entries;
  if (!metadata.empty()) entries.push_back("\"__metadata__\":" + metadata);
  uint64_t at = 0;
  for (const Tensor& one : tensors) {
    const auto [begin, end] = one.offsets.value_or(std::pair(at, at + one.data.size()));
    entries.push_back(absl::StrCat(quoted(one.name), ":{\"dtype\":", quoted(one.dtype),
                                   ",\"shape\":[", absl::StrJoin(one.shape, ","),
                                   "],\"data_offsets\":[", begin, ",", end, "]}"));
    at += one.data.size();
  }
  // The table need not have the order of the data.
  std::reverse(entries.begin(), entries.end());
  return absl::StrCat("{", absl::StrJoin(entries, ","), "} ");
}

std::string SafetensorsWriter::bytes() const {
  const std::string text = header.value_or(header_text());
  const uint64_t size = header_size.value_or(text.size());
  std::string all(reinterpret_cast<const char*>(&size), sizeof size);
  all += text;
  for (const Tensor& one : tensors) all += one.data;
  return all + tail;
}

SafetensorsWriter tiny_safetensors() {
  SafetensorsWriter w;
  w.tensor("codes", "F8_E4M3", {3, 1});
  w.tensor("odd", "BF16", {2, 2});
  w.tensor("floats", "F32", {1, 2, 1});
  return w;
}

Json HfDirectory::json(const std::string& name) const { return *parse_json(files.at(name), name); }
void HfDirectory::set(const std::string& name, const Json& value) {
  files[name] = write_json(value);
}

HfDirectory tiny_hf_directory(bool is_sharded) {
  HfDirectory directory;
  directory.set("config.json", {{"architectures", {"DeepseekV3ForCausalLM"}},
                                {"model_type", "deepseek_v3"},
                                {"bos_token_id", 0},
                                {"eos_token_id", 1},
                                {"vocab_size", 6},
                                {"hidden_size", 2},
                                {"num_hidden_layers", 2},
                                {"num_nextn_predict_layers", 1},
                                {"first_k_dense_replace", 1},
                                {"intermediate_size", 3},
                                {"max_position_embeddings", 64},
                                {"rms_norm_eps", 1e-6},
                                {"num_attention_heads", 1},
                                {"q_lora_rank", 2},
                                {"kv_lora_rank", 2},
                                {"qk_rope_head_dim", 2},
                                {"qk_nope_head_dim", 1},
                                {"v_head_dim", 1},
                                {"rope_theta", 10000},
                                {"rope_scaling",
                                 {{"type", "yarn"},
                                  {"factor", 40},
                                  {"original_max_position_embeddings", 32},
                                  {"beta_fast", 32},
                                  {"beta_slow", 1},
                                  {"mscale", 1.0},
                                  {"mscale_all_dim", 1.0}}},
                                {"n_routed_experts", 2},
                                {"num_experts_per_tok", 1},
                                {"n_shared_experts", 1},
                                {"moe_intermediate_size", 3},
                                {"n_group", 1},
                                {"topk_group", 1},
                                {"norm_topk_prob", true},
                                {"routed_scaling_factor", 2.5},
                                {"scoring_func", "sigmoid"},
                                {"topk_method", "noaux_tc"},
                                {"tie_word_embeddings", false},
                                {"quantization_config",
                                 {{"quant_method", "fp8"},
                                  {"fmt", "e4m3"},
                                  {"activation_scheme", "dynamic"},
                                  {"weight_block_size", {2, 2}}}}});
  directory.set("generation_config.json",
                {{"bos_token_id", 0}, {"eos_token_id", {1, 5}}, {"temperature", 0.6}});
  directory.files["tokenizer.json"] = R"re({
    "added_tokens": [
      {"id": 0, "content": "<s>", "special": true},
      {"id": 1, "content": "</s>", "special": true},
      {"id": 5, "content": "<end>", "special": true}],
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "[\\r\\n]"}, "behavior": "Isolated"},
      {"type": "Split", "pattern": {"Regex": "\\s?\\p{L}+"}, "behavior": "Isolated"},
      {"type": "Split", "pattern": {"Regex": "\\s?\\p{P}+"}, "behavior": "Isolated"},
      {"type": "Split", "pattern": {"Regex": "[一-龥ࠀ-一가-퟿]+"}, "behavior": "Isolated"},
      {"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
    "model": {"type": "BPE", "vocab": {"a": 2, "b": 3, "ab": 4}, "merges": ["a b"]}})re";
  directory.set("tokenizer_config.json", {{"add_bos_token", true},
                                          {"bos_token", "<s>"},
                                          {"eos_token", {{"content", "</s>"}}},
                                          {"chat_template", "{{ messages }}"}});

  SafetensorsWriter w;
  const auto fp8 = [&](const std::string& name, uint64_t rows, uint64_t cols) {
    w.tensor(name + ".weight", "F8_E4M3", {rows, cols});
    w.tensor(name + ".weight_scale_inv", "F32", {(rows + 1) / 2, (cols + 1) / 2});
  };
  w.tensor("model.embed_tokens.weight", "BF16", {6, 2});
  w.tensor("model.norm.weight", "BF16", {2});
  w.tensor("lm_head.weight", "BF16", {6, 2});
  for (const int layer : {0, 1, 2}) {
    const std::string p = absl::StrCat("model.layers.", layer, ".");
    w.tensor(p + "input_layernorm.weight", "BF16", {2});
    w.tensor(p + "post_attention_layernorm.weight", "F32", {2});
    fp8(p + "self_attn.q_a_proj", 2, 2);
    w.tensor(p + "self_attn.q_a_layernorm.weight", "BF16", {2});
    fp8(p + "self_attn.q_b_proj", 3, 2);
    fp8(p + "self_attn.kv_a_proj_with_mqa", 4, 2);
    w.tensor(p + "self_attn.kv_a_layernorm.weight", "BF16", {2});
    fp8(p + "self_attn.kv_b_proj", 2, 2);
    fp8(p + "self_attn.o_proj", 2, 1);
    const auto ffn = [&](const std::string& q) {
      fp8(q + "gate_proj", 3, 2);
      fp8(q + "up_proj", 3, 2);
      fp8(q + "down_proj", 2, 3);
    };
    if (layer == 0) {
      ffn(p + "mlp.");
      continue;
    }
    w.tensor(p + "mlp.gate.weight", "BF16", {2, 2});
    w.tensor(p + "mlp.gate.e_score_correction_bias", "F32", {2});
    for (const int e : {0, 1}) ffn(absl::StrCat(p, "mlp.experts.", e, "."));
    ffn(p + "mlp.shared_experts.");
    if (layer != 2) continue;
    w.tensor(p + "enorm.weight", "BF16", {2});
    w.tensor(p + "hnorm.weight", "BF16", {2});
    w.tensor(p + "eh_proj.weight", "BF16", {2, 4});
    w.tensor(p + "embed_tokens.weight", "BF16", {6, 2});
    w.tensor(p + "shared_head.norm.weight", "BF16", {2});
    w.tensor(p + "shared_head.head.weight", "BF16", {6, 2});
  }
  if (!is_sharded) {
    directory.files["model.safetensors"] = w.bytes();
    return directory;
  }
  SafetensorsWriter shards[2];
  Json map = Json::object();
  for (size_t i = 0; i < w.tensors.size(); ++i) {
    // Scales and codes apart, as it happens at the end of a shard.
    map[w.tensors[i].name] = absl::StrCat("model-0000", i % 2 + 1, "-of-000002.safetensors");
    shards[i % 2].tensors.push_back(w.tensors[i]);
  }
  directory.files["model-00001-of-000002.safetensors"] = shards[0].bytes();
  directory.files["model-00002-of-000002.safetensors"] = shards[1].bytes();
  directory.set("model.safetensors.index.json",
                {{"metadata", Json::object()}, {"weight_map", map}});
  return directory;
}

std::string problem_of(const SafetensorsFile& file, const std::string& bytes) {
  if (bytes.size() < 10) return "accepted, but too short";
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > bytes.size() - 8) return "accepted, but the header ends behind the file";
  const auto header = parse_json(bytes.substr(8, header_size), "header", 3);
  if (!header.ok()) return message_of(header.status());
  std::set<std::string> names;
  uint64_t end = 8 + header_size;
  for (const SafetensorsTensor& tensor : file.tensors) {
    if (!names.insert(tensor.name).second) return tensor.name + " appears twice";
    if (tensor.offset != end) return tensor.name + " does not follow the one before it";
    uint64_t size = static_cast<uint64_t>(info(tensor.dtype).block_bytes);
    for (const int64_t d : tensor.shape) {
      if (d < 0) return tensor.name + " has a negative dimension";
      size *= static_cast<uint64_t>(d);
    }
    if (size != tensor.size_bytes) return tensor.name + " has a size that is not its shape's";
    end += size;
    const auto found = header->find(tensor.name);
    if (found == header->end()) return tensor.name + " is not in the header";
    if ((*found)["shape"] != Json(tensor.shape)) return tensor.name + " has another shape";
    if ((*found)["data_offsets"] != Json{tensor.offset - 8 - header_size, end - 8 - header_size})
      return tensor.name + " has other offsets";
  }
  if (end != bytes.size()) return "the tensors do not fill the file";
  const size_t n_others = header->contains("__metadata__") ? 1 : 0;
  if (header->size() != file.tensors.size() + n_others) return "the header has other tensors";
  return "";
}

}  // namespace hadal::test
