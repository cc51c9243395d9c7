// Mirrors lib/checkpoint/hf_checkpoint and hf_config: directories as Hugging Face keeps them.
#include "lib/checkpoint/hf_checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/checkpoint/memory_files.hpp"
#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/safetensors_writer.hpp"

namespace hadal {
namespace {

using test::HfDirectory;
using test::tiny_hf_directory;
using testing::ElementsAre;
using testing::HasSubstr;

// Keeps the files alive as long as the checkpoint.
struct Opened {
  explicit Opened(const HfDirectory& directory, const std::string& path = "dir",
                  const CheckpointOptions& options = {}) {
    for (const auto& [name, bytes] : directory.files) memory.put("dir/" + name, bytes);
    result = open_checkpoint(memory.files(), path, options, {});
  }
  bool ok() const { return result.ok(); }
  const Checkpoint* operator->() const { return result->get(); }
  test::MemoryFiles memory;
  absl::StatusOr<std::unique_ptr<Checkpoint>> result = fail(HADAL_E_INTERNAL, "", "");
};

void expect_refused(const HfDirectory& directory, hadal_status code,
                    std::initializer_list<const char*> words, const std::string& path = "dir",
                    const CheckpointOptions& options = {}) {
  const Opened opened(directory, path, options);
  ASSERT_FALSE(opened.ok()) << "accepted; wanted " << status_name(code);
  test::expect_is_failure(opened.result.status(), code, words);
  EXPECT_EQ(opened.memory.n_open(), 0);
}

HfDirectory with(const std::string& key, const Json& value,
                 const std::string& file = "config.json") {
  HfDirectory directory = tiny_hf_directory();
  Json json = directory.json(file);
  json[key] = value;
  directory.set(file, json);
  return directory;
}
HfDirectory without(const std::string& key) {
  HfDirectory directory = tiny_hf_directory();
  Json config = directory.json("config.json");
  config.erase(key);
  directory.set("config.json", config);
  return directory;
}

TEST(HfCheckpointTest, ReadsADirectory) {
  const Opened opened(tiny_hf_directory());
  ASSERT_TRUE(opened.ok()) << message_of(opened.result.status());
  EXPECT_EQ(*opened->integer("hidden_size"), 2);
  EXPECT_EQ(*opened->integer("num_nextn_predict_layers"), 1);
  EXPECT_EQ(*opened->integer("quantization_config.weight_block_size.1"), 2);
  EXPECT_EQ(*opened->real("rope_scaling.factor"), 40.0);
  EXPECT_EQ(*opened->real("rope_theta"), 10000.0);
  EXPECT_EQ(*opened->text("rope_scaling.type"), "yarn");
  EXPECT_EQ(*opened->flag("norm_topk_prob"), true);
  EXPECT_EQ(*opened->text("scoring_func"), "sigmoid");
  EXPECT_EQ(opened->files().size(), 2u);
  EXPECT_EQ(opened->spelling("hidden_size"), "dir/config.json: hidden_size");
  for (const char* name :
       {"embed_tokens", "norm", "lm_head", "layers.0.input_layernorm",
        "layers.0.self_attn.kv_a_proj_with_mqa", "layers.0.self_attn.kv_b_proj.weight_scale_inv",
        "layers.1.mlp.gate", "layers.1.mlp.gate.e_score_correction_bias",
        "layers.1.mlp.experts.1.down_proj", "layers.1.mlp.shared_experts.up_proj",
        "layers.2.shared_head.head", "layers.2.eh_proj"}) {
    EXPECT_NE(opened->manifest().find(name), nullptr) << name;
  }
  const TensorEntry* entry = opened->manifest().find("layers.1.mlp.experts.1.down_proj");
  EXPECT_EQ(entry->name_in_file, "model.layers.1.mlp.experts.1.down_proj.weight");
  EXPECT_EQ(entry->dtype, DType::kF8_E4M3);
  EXPECT_EQ(entry->shape, (std::vector<int64_t>{2, 3}));

  EXPECT_EQ(opened->metadata("model_type"), "deepseek_v3");
  EXPECT_EQ(opened->metadata("hidden_size"), "2");
  EXPECT_EQ(opened->metadata("generation_config.temperature"), "0.6");
  EXPECT_EQ(opened->metadata("nothing"), std::nullopt);
  EXPECT_THAT(opened->metadata_keys(), testing::Contains("rope_scaling"));
}

TEST(HfCheckpointTest, AnyFileOfADirectoryStandsForIt) {
  const HfDirectory sharded = tiny_hf_directory(), whole = tiny_hf_directory(false);
  for (const char* path :
       {"dir", "dir/", "dir/config.json", "dir/model.safetensors.index.json",
        "dir/model-00001-of-000002.safetensors", "dir/model-00002-of-000002.safetensors"}) {
    const Opened opened(sharded, path);
    ASSERT_TRUE(opened.ok()) << path << ": " << message_of(opened.result.status());
    EXPECT_EQ(opened->files().size(), 2u) << path;
  }
  for (const char* path : {"dir", "dir/config.json", "dir/model.safetensors"}) {
    const Opened opened(whole, path);
    ASSERT_TRUE(opened.ok()) << path << ": " << message_of(opened.result.status());
    EXPECT_EQ(opened->files().size(), 1u) << path;
  }
  // Weights beside an index that does not name them stand for themselves.
  HfDirectory both = sharded;
  both.files["other.safetensors"] = whole.files.at("model.safetensors");
  const Opened opened(both, "dir/other.safetensors");
  ASSERT_TRUE(opened.ok()) << message_of(opened.result.status());
  EXPECT_EQ(opened->files().size(), 1u);
}

TEST(HfCheckpointTest, TheCurrentDirectoryHasNoName) {
  test::MemoryFiles memory;
  for (const auto& [name, bytes] : tiny_hf_directory().files) memory.put(name, bytes);
  for (const char* path : {"config.json", "model-00002-of-000002.safetensors"}) {
    const auto result = open_checkpoint(memory.files(), path, {}, {});
    EXPECT_TRUE(result.ok()) << message_of(result.status());
  }
}

TEST(HfCheckpointTest, SaysWhichFileIsMissing) {
  for (const auto& [name, words] : {std::pair("model.safetensors.index.json", "model.safetensors"),
                                    {"model-00002-of-000002.safetensors", "file 2 of 2"}}) {
    HfDirectory directory = tiny_hf_directory();
    directory.files.erase(name);
    expect_refused(directory, HADAL_E_NOT_FOUND, {words});
  }
  HfDirectory directory = tiny_hf_directory();
  directory.files.erase("config.json");
  expect_refused(directory, HADAL_E_NOT_FOUND, {"dir/config.json"},
                 "dir/model-00001-of-000002.safetensors");
  expect_refused(directory, HADAL_E_NOT_FOUND, {"dir"});

  for (const char* name : {"generation_config.json", "tokenizer.json", "tokenizer_config.json"}) {
    directory = tiny_hf_directory();
    directory.files.erase(name);
    EXPECT_TRUE(Opened(directory).ok()) << name;
  }
  directory.files.erase("tokenizer.json");
  const auto vocabulary = Opened(directory)->vocabulary();
  ASSERT_FALSE(vocabulary.ok());
  test::expect_is_failure(vocabulary.status(), HADAL_E_NOT_FOUND, {"dir/tokenizer.json"});
}

TEST(HfCheckpointTest, ASystemDirectoryWithoutConfigIsNamed) {
  const auto result = open_checkpoint(*system_files(), HADAL_TEST_DATA "/golden", {}, {});
  ASSERT_FALSE(result.ok());
  test::expect_is_failure(result.status(), HADAL_E_UNSUPPORTED, {"without config.json"});
}

// ---- config.json --------------------------------------------------------------------------------

TEST(HfCheckpointTest, RefusesOtherModels) {
  const struct {
    const char* key;
    Json value;
    hadal_status code;
  } cases[] = {
      {"model_type", "llama", HADAL_E_UNSUPPORTED},
      {"model_type", "deepseek_v32", HADAL_E_UNSUPPORTED},
      {"model_type", 3, HADAL_E_UNSUPPORTED},
      {"hidden_act", "gelu", HADAL_E_UNSUPPORTED},
      {"attention_bias", true, HADAL_E_UNSUPPORTED},
      {"moe_layer_freq", 2, HADAL_E_UNSUPPORTED},
      {"rope_interleave", false, HADAL_E_UNSUPPORTED},
      {"rope_scaling", {{"type", "linear"}, {"factor", 2}}, HADAL_E_UNSUPPORTED},
      {"rope_scaling", {{"type", "yarn"}, {"attention_factor", 2}}, HADAL_E_UNSUPPORTED},
      {"rope_scaling", "yarn", HADAL_E_FORMAT},
      {"rope_scaling", {{"type", 3}}, HADAL_E_FORMAT},
      {"quantization_config", "fp8", HADAL_E_FORMAT},
      {"quantization_config", Json::object(), HADAL_E_UNSUPPORTED},
      {"quantization_config", {{"quant_method", "awq"}}, HADAL_E_UNSUPPORTED},
      {"quantization_config", {{"quant_method", "fp8"}, {"fmt", "e5m2"}}, HADAL_E_UNSUPPORTED},
      {"quantization_config",
       {{"quant_method", "fp8"}, {"weight_block_size", nullptr}},
       HADAL_E_UNSUPPORTED},
      {"quantization_config",
       {{"quant_method", "fp8"}, {"weight_block_size", 128}},
       HADAL_E_FORMAT},
      {"quantization_config",
       {{"quant_method", "fp8"}, {"weight_block_size", {128, 128, 1}}},
       HADAL_E_FORMAT},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(absl::StrCat(one.key, " ", write_json(one.value)));
    expect_refused(with(one.key, one.value), one.code, {"dir/config.json", one.key});
  }
  HfDirectory directory = without("model_type");
  EXPECT_TRUE(Opened(directory).ok()) << "known by its class";
  Json config = directory.json("config.json");
  config["architectures"] = {"LlamaForCausalLM"};
  directory.set("config.json", config);
  expect_refused(directory, HADAL_E_UNSUPPORTED, {"architectures", "LlamaForCausalLM"});
  config.erase("architectures");
  directory.set("config.json", config);
  expect_refused(directory, HADAL_E_FORMAT, {"model_type"});
}

TEST(HfCheckpointTest, RefusesDamagedTexts) {
  for (const char* file :
       {"config.json", "generation_config.json", "model.safetensors.index.json"}) {
    for (const char* text : {"", "{", "[]", "{} {}", "nonsense", "\"text\""}) {
      if (std::string(file) == "generation_config.json" && std::string(text).empty()) continue;
      HfDirectory directory = tiny_hf_directory();
      directory.files[file] = text;
      SCOPED_TRACE(absl::StrCat(file, " ", text));
      expect_refused(directory, HADAL_E_FORMAT, {file});
    }
    HfDirectory directory = tiny_hf_directory();
    std::string deep = "{\"metadata\":";
    for (int i = 0; i < 100'000; ++i) deep += "[";
    directory.files[file] = deep + std::string(100'000, ']') + "}";
    expect_refused(directory, HADAL_E_FORMAT, {file, "levels"});
  }
}

TEST(HfCheckpointTest, ValuesHaveTheirTypes) {
  const auto integer = [](const Json& value) {
    return Opened(with("hidden_size", value))->integer("hidden_size");
  };
  for (const Json& value :
       {Json("2"), Json(2.0), Json(true), Json(Json::array()), Json(uint64_t{1} << 63)}) {
    const auto found = integer(value);
    ASSERT_FALSE(found.ok()) << write_json(value);
    test::expect_is_failure(found.status(), HADAL_E_FORMAT,
                            {"dir/config.json: hidden_size", "a whole number"});
  }
  EXPECT_EQ(*integer(nullptr), std::nullopt);
  EXPECT_EQ(*integer(-3), -3);
  EXPECT_FALSE(Opened(with("rope_theta", "x"))->real("rope_theta").ok());
  EXPECT_FALSE(Opened(with("norm_topk_prob", 1))->flag("norm_topk_prob").ok());
  EXPECT_FALSE(Opened(with("scoring_func", 1))->text("scoring_func").ok());
  EXPECT_EQ(*Opened(with("q_lora_rank", nullptr))->integer("q_lora_rank"), std::nullopt);
}

// Trap F6, and what the class of V3 in Transformers leaves out.
TEST(HfCheckpointTest, OlderAndNewerSpellings) {
  HfDirectory directory = tiny_hf_directory();
  Json config = directory.json("config.json");
  Json rope = config["rope_scaling"];
  rope.erase("type");
  rope["rope_type"] = "yarn";
  rope["rope_theta"] = 5000;
  config.erase("rope_scaling");
  config.erase("rope_theta");
  config["rope_parameters"] = rope;
  directory.set("config.json", config);
  const Opened opened(directory);
  ASSERT_TRUE(opened.ok()) << message_of(opened.result.status());
  EXPECT_EQ(*opened->text("rope_scaling.type"), "yarn");
  EXPECT_EQ(*opened->real("rope_scaling.factor"), 40.0);
  EXPECT_EQ(*opened->real("rope_theta"), 5000.0);

  for (const Json& none : {Json(nullptr), Json{{"rope_type", "default"}, {"rope_theta", 1.0}}}) {
    const Opened plain(with("rope_scaling", none));
    ASSERT_TRUE(plain.ok());
    EXPECT_EQ(*plain->text("rope_scaling.type"), std::nullopt);
    EXPECT_EQ(*plain->real("rope_scaling.factor"), std::nullopt);
    EXPECT_EQ(*plain->real("rope_theta"), 10000.0);
  }

  EXPECT_EQ(*Opened(without("scoring_func"))->text("scoring_func"), "sigmoid");
  EXPECT_EQ(*Opened(without("topk_method"))->text("topk_method"), "noaux_tc");
  EXPECT_EQ(*Opened(without("norm_topk_prob"))->flag("norm_topk_prob"), true);
  EXPECT_EQ(*Opened(without("n_group"))->integer("n_group"), 8);
  EXPECT_EQ(*Opened(without("routed_scaling_factor"))->real("routed_scaling_factor"), 2.5);
  HfDirectory v2 = without("scoring_func");
  config = v2.json("config.json");
  config["model_type"] = "deepseek_v2";
  config.erase("n_group");
  v2.set("config.json", config);
  EXPECT_EQ(*Opened(v2)->text("scoring_func"), std::nullopt);
  EXPECT_EQ(*Opened(v2)->integer("n_group"), std::nullopt);
}

// Copies without the MTP layer keep the configuration that speaks of it.
TEST(HfCheckpointTest, CountsTheMtpLayerOnlyWhereItIs) {
  HfDirectory directory = tiny_hf_directory();
  Json index = directory.json("model.safetensors.index.json");
  Json map = Json::object();
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (name.find("model.layers.2.") == std::string::npos) map[name] = file;
  }
  index["weight_map"] = map;
  directory.set("model.safetensors.index.json", index);
  EXPECT_EQ(*Opened(directory)->integer("num_nextn_predict_layers"), 0);
}

TEST(HfCheckpointTest, AHeadOfItsOwnMustBeThere) {
  HfDirectory directory = tiny_hf_directory();
  Json index = directory.json("model.safetensors.index.json");
  index["weight_map"].erase("lm_head.weight");
  directory.set("model.safetensors.index.json", index);
  expect_refused(directory, HADAL_E_FORMAT, {"lm_head.weight", "missing"});
  Json config = directory.json("config.json");
  config["tie_word_embeddings"] = true;
  directory.set("config.json", config);
  EXPECT_TRUE(Opened(directory).ok());
}

// ---- Vocabulary ---------------------------------------------------------------------------------

TEST(HfCheckpointTest, TheTokenizerAndEveryIdThatEndsATurn) {
  const Opened opened(tiny_hf_directory());
  const auto vocabulary = opened->vocabulary();
  ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
  EXPECT_EQ(vocabulary->tokens.size(), 6u);
  EXPECT_EQ(vocabulary->bos_id, 0);
  EXPECT_THAT(vocabulary->eos_ids, ElementsAre(1, 5));
  EXPECT_TRUE(vocabulary->add_bos);
  EXPECT_EQ(vocabulary->chat_template, "{{ messages }}");
  EXPECT_EQ(vocabulary->pre_tokenizer, "deepseek-coder");

  HfDirectory directory = tiny_hf_directory();
  directory.files.erase("tokenizer_config.json");
  directory.files["chat_template.jinja"] = "{{ other }}";
  const auto bare = Opened(directory)->vocabulary();
  ASSERT_TRUE(bare.ok());
  EXPECT_EQ(bare->bos_id, 0);
  EXPECT_THAT(bare->eos_ids, ElementsAre(1, 5));
  EXPECT_EQ(bare->chat_template, "{{ other }}");
}

TEST(HfCheckpointTest, RefusesIdsThatAreNone) {
  for (const Json& value : {Json("x"), Json(-1), Json(6), Json{1, "x"}, Json(1.5),
                            Json(uint64_t{1} << 63), Json(int64_t{1} << 32)}) {
    const auto vocabulary =
        Opened(with("eos_token_id", value, "generation_config.json"))->vocabulary();
    ASSERT_FALSE(vocabulary.ok()) << write_json(value);
    test::expect_is_failure(vocabulary.status(), HADAL_E_FORMAT, {"eos_token_id"});
  }
}

// ---- Limits and accidents -----------------------------------------------------------------------

TEST(HfCheckpointTest, TextsHaveALimit) {
  CheckpointOptions options;
  options.limit_string_bytes = 400;
  expect_refused(tiny_hf_directory(), HADAL_E_LIMIT, {"dir/config.json", "at most 400"}, "dir",
                 options);
  options.limit_string_bytes = UINT64_MAX;
  EXPECT_TRUE(Opened(tiny_hf_directory(), "dir", options).ok());
}

// R4.4: whichever read fails, the failure is passed on and no file stays open.
// As Kimi-K2 and Moonlight are published. A tokenizer.json beside it counts more.
TEST(HfCheckpointTest, ATiktokenModelInPlaceOfTheTokenizer) {
  HfDirectory directory = with("vocab_size", 260);
  std::string model;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    absl::StrAppend(&model, absl::Base64Escape(absl::string_view(&c, 1)), " ", byte, "\n");
  }
  directory.files["tiktoken.model"] = model;
  EXPECT_EQ(Opened(directory)->vocabulary()->tokens.size(), 6u);
  directory.files.erase("tokenizer.json");
  directory.files["tokenizer_config.json"] =
      R"({"added_tokens_decoder": {"257": {"content": "[EOS]", "special": true}}})";
  const auto vocabulary = Opened(directory)->vocabulary();
  ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
  EXPECT_EQ(vocabulary->tokens.size(), 260u);
  EXPECT_EQ(vocabulary->tokens[257].text, "[EOS]");
  EXPECT_EQ(vocabulary->pre_tokenizer, "kimi-k2");
  EXPECT_EQ(vocabulary->source, "dir/tiktoken.model");
  EXPECT_THAT(vocabulary->eos_ids, ElementsAre(1, 5));  // of generation_config.json

  directory.files.erase("tokenizer_config.json");
  test::expect_is_failure(Opened(directory)->vocabulary().status(), HADAL_E_FORMAT,
                          {"dir/tiktoken.model", "tokenizer_config.json"});
}

TEST(HfCheckpointTest, EveryReadMayFail) {
  const HfDirectory directory = tiny_hf_directory();
  for (int n = 0;; ++n) {
    test::MemoryFiles memory;
    for (const auto& [name, bytes] : directory.files) memory.put("dir/" + name, bytes);
    memory.fail_read(n, HADAL_E_IO);
    const auto result = open_checkpoint(memory.files(), "dir/config.json", {}, {});
    if (result.ok()) {
      EXPECT_GT(n, 4);
      break;
    }
    EXPECT_EQ(code_of(result.status()), HADAL_E_IO) << n;
    EXPECT_EQ(memory.n_open(), 0) << n;
  }
}

// Each file cut at every byte, and with every bit of the small ones turned: an error that says why,
// or a checkpoint that can be looked at.
TEST(HfCheckpointTest, CutsAndTurnedBits) {
  const HfDirectory whole = tiny_hf_directory();
  const auto look = [](const HfDirectory& directory) {
    const Opened opened(directory);
    if (!opened.ok()) {
      EXPECT_NE(code_of(opened.result.status()), HADAL_E_INTERNAL);
      EXPECT_NE(hint_of(opened.result.status()), "");
      return false;
    }
    (void)opened->integer("hidden_size");
    (void)opened->text("rope_scaling.type");
    for (const std::string& key : opened->metadata_keys()) (void)opened->metadata(key);
    return opened->vocabulary().ok();
  };
  for (const auto& [name, bytes] : whole.files) {
    SCOPED_TRACE(name);
    HfDirectory changed = whole;
    const bool is_weights = name.find(".safetensors") != std::string::npos;
    for (size_t n = 0; n < bytes.size(); n += is_weights ? 7 : 1) {
      changed.files[name] = bytes.substr(0, n);
      const bool is_optional =
          n == 0 && (name == "generation_config.json" || name == "tokenizer_config.json");
      EXPECT_EQ(look(changed), is_optional) << n;
    }
    for (size_t bit = 0; bit < 8 * bytes.size(); bit += is_weights ? 37 : 29) {
      changed.files[name] = bytes;
      char& byte = changed.files[name][bit / 8];
      byte = static_cast<char>(byte ^ (1 << bit % 8));
      look(changed);
    }
  }
}

}  // namespace
}  // namespace hadal
