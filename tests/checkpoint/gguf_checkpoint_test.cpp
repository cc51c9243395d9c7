// GGUF's names in config.json's words: keys, defaults, both styles, tensors, and the files that say
// too little.
#include "lib/checkpoint/gguf_checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/checkpoint/opening.hpp"

namespace hadal {
namespace {

using test::expect_is_failure;
using test::expect_refused;
using test::GgufWriter;
using test::open_writer;
using test::Opened;
using test::raw;
using test::Records;
using test::tiny_model;

std::optional<int64_t> integer(const Opened& opened, const char* name) {
  const auto value = opened->integer(name);
  EXPECT_TRUE(value.ok()) << name << ": " << message_of(value.status());
  return value.ok() ? *value : std::nullopt;
}
std::optional<double> real(const Opened& opened, const char* name) {
  const auto value = opened->real(name);
  EXPECT_TRUE(value.ok()) << name << ": " << message_of(value.status());
  return value.ok() ? *value : std::nullopt;
}
std::optional<std::string> text(const Opened& opened, const char* name) {
  const auto value = opened->text(name);
  EXPECT_TRUE(value.ok()) << name << ": " << message_of(value.status());
  return value.ok() ? *value : std::nullopt;
}
std::optional<bool> flag(const Opened& opened, const char* name) {
  const auto value = opened->flag(name);
  EXPECT_TRUE(value.ok()) << name << ": " << message_of(value.status());
  return value.ok() ? *value : std::nullopt;
}

TEST(GgufCheckpointTest, TranslatesEveryKey) {
  const auto file = open_writer(tiny_model());
  ASSERT_TRUE(file->ok()) << message_of(file->result.status());
  const std::pair<const char*, int64_t> integers[] = {
      {"vocab_size", 8},
      {"hidden_size", 4},
      {"num_hidden_layers", 2},
      {"num_nextn_predict_layers", 1},
      {"first_k_dense_replace", 1},
      {"intermediate_size", 6},
      {"max_position_embeddings", 64},
      {"num_attention_heads", 2},
      {"q_lora_rank", 3},
      {"kv_lora_rank", 4},
      {"qk_rope_head_dim", 2},
      {"qk_nope_head_dim", 3},
      {"v_head_dim", 2},
      {"n_routed_experts", 4},
      {"num_experts_per_tok", 2},
      {"n_shared_experts", 1},
      {"moe_intermediate_size", 2},
      {"n_group", 2},
      {"topk_group", 1},
      {"rope_scaling.original_max_position_embeddings", 16},
  };
  for (const auto& [name, wanted] : integers) EXPECT_EQ(integer(*file, name), wanted) << name;
  const std::pair<const char*, float> reals[] = {
      {"rms_norm_eps", 1e-6f},
      {"rope_theta", 10000.0f},
      {"rope_scaling.factor", 40.0f},
      {"rope_scaling.beta_fast", 32.0f},
      {"rope_scaling.beta_slow", 1.0f},
      {"rope_scaling.mscale", 1.0f},
      {"rope_scaling.mscale_all_dim", 1.0f},
      {"routed_scaling_factor", 2.5f},
  };
  for (const auto& [name, wanted] : reals)
    EXPECT_EQ(real(*file, name), static_cast<double>(wanted)) << name;
  EXPECT_EQ(flag(*file, "norm_topk_prob"), true);
  EXPECT_EQ(flag(*file, "tie_word_embeddings"), false);
  EXPECT_EQ(text(*file, "scoring_func"), "sigmoid");
  EXPECT_EQ(text(*file, "topk_method"), "noaux_tc");
  EXPECT_EQ(text(*file, "rope_scaling.type"), "yarn");
  EXPECT_EQ(integer(*file, "no_such_name"), std::nullopt);
  EXPECT_EQ(real(*file, "no_such_name"), std::nullopt);
  EXPECT_EQ(flag(*file, "no_such_name"), std::nullopt);
  EXPECT_EQ(text(*file, "no_such_name"), std::nullopt);
}

TEST(GgufCheckpointTest, SpellsNamesAsTheFileDoes) {
  const auto file = open_writer(tiny_model());
  ASSERT_TRUE(file->ok());
  EXPECT_EQ((*file)->spelling("hidden_size"), "dir/m.gguf: deepseek2.embedding_length");
  EXPECT_EQ((*file)->spelling("qk_nope_head_dim"),
            "dir/m.gguf: deepseek2.attention.key_length_mla");
  EXPECT_EQ((*file)->spelling("scoring_func"), "dir/m.gguf: deepseek2.expert_gating_func");
}

TEST(GgufCheckpointTest, TakesAbsenceForTheDefaultOfTheFormat) {
  GgufWriter w = tiny_model();
  for (const char* key : {"nextn_predict_layers", "rope.freq_base", "rope.scaling.yarn_beta_fast",
                          "rope.scaling.yarn_beta_slow", "rope.scaling.yarn_log_multiplier",
                          "expert_weights_scale", "expert_weights_norm", "expert_group_count",
                          "expert_group_used_count", "attention.q_lora_rank", "vocab_size"}) {
    w.remove(std::string("deepseek2.") + key);
  }
  const auto file = open_writer(w);
  ASSERT_TRUE(file->ok()) << message_of(file->result.status());
  EXPECT_EQ(integer(*file, "num_nextn_predict_layers"), 0);
  EXPECT_EQ(integer(*file, "num_hidden_layers"), 3);
  EXPECT_EQ(integer(*file, "n_group"), 1);
  EXPECT_EQ(integer(*file, "topk_group"), 1);
  EXPECT_EQ(integer(*file, "q_lora_rank"), std::nullopt);
  EXPECT_EQ(integer(*file, "vocab_size"), 8) << "the length of the token list";
  EXPECT_EQ(real(*file, "rope_theta"), 10000.0);
  EXPECT_EQ(real(*file, "rope_scaling.beta_fast"), 32.0);
  EXPECT_EQ(real(*file, "rope_scaling.beta_slow"), 1.0);
  EXPECT_EQ(real(*file, "routed_scaling_factor"), 1.0);
  EXPECT_EQ(flag(*file, "norm_topk_prob"), false);
}

TEST(GgufCheckpointTest, LeavesOutWhatTheFileMustSayAndDoesNot) {
  for (const auto& [key, name] : std::vector<std::pair<const char*, const char*>>{
           {"embedding_length", "hidden_size"},
           {"block_count", "num_hidden_layers"},
           {"attention.head_count", "num_attention_heads"},
           {"attention.kv_lora_rank", "kv_lora_rank"},
           {"rope.dimension_count", "qk_nope_head_dim"},
           {"rope.dimension_count", "qk_rope_head_dim"},
           {"expert_count", "n_routed_experts"},
           {"expert_group_used_count", "topk_group"}}) {
    GgufWriter w = tiny_model();
    w.remove(std::string("deepseek2.") + key);
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok()) << key;
    EXPECT_EQ(integer(*file, name), std::nullopt) << name;
  }
}

TEST(GgufCheckpointTest, ReadsHeadSizesOfBothStyles) {  // F1, F2
  GgufWriter w = tiny_model();
  w.remove("deepseek2.attention.key_length_mla").remove("deepseek2.attention.value_length_mla");
  const auto old_style = open_writer(w);
  ASSERT_TRUE(old_style->ok());
  EXPECT_EQ(integer(*old_style, "qk_nope_head_dim"), 6 - 2);
  EXPECT_EQ(integer(*old_style, "v_head_dim"), 4);
  EXPECT_EQ((*old_style)->spelling("v_head_dim"), "dir/m.gguf: deepseek2.attention.value_length");

  // One of the two new keys makes the file new style: the old keys then mean something else.
  w = tiny_model();
  w.remove("deepseek2.attention.key_length_mla");
  const auto half = open_writer(w);
  ASSERT_TRUE(half->ok());
  EXPECT_EQ(integer(*half, "qk_nope_head_dim"), std::nullopt);
}

TEST(GgufCheckpointTest, RefusesHeadsWithoutARestBesideRope) {
  for (const uint32_t length : {0u, 1u, 2u}) {
    GgufWriter w = tiny_model();
    w.set_u32("deepseek2.attention.key_length_mla", length);
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok());
    expect_is_failure((*file)->integer("qk_nope_head_dim").status(), HADAL_E_FORMAT,
                      {"key_length_mla", "more than rope.dimension_count"});
  }
}

TEST(GgufCheckpointTest, MultipliesTheYarnLogMultiplierByTen) {  // A6
  for (const auto& [stored, wanted] :
       std::vector<std::pair<float, float>>{{0.1f, 1.0f}, {0.0707f, 0.707f}, {0.0f, 0.0f}}) {
    GgufWriter w = tiny_model();
    w.set_f32("deepseek2.rope.scaling.yarn_log_multiplier", stored);
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok());
    EXPECT_NEAR(*real(*file, "rope_scaling.mscale"), static_cast<double>(wanted), 1e-7);
    EXPECT_EQ(real(*file, "rope_scaling.mscale_all_dim"), real(*file, "rope_scaling.mscale"));
  }
  GgufWriter w = tiny_model();
  w.remove("deepseek2.rope.scaling.yarn_log_multiplier");
  const auto file = open_writer(w);
  ASSERT_TRUE(file->ok());
  EXPECT_EQ(real(*file, "rope_scaling.mscale_all_dim"), 0.0) << "no factor";
}

TEST(GgufCheckpointTest, WithoutARopeScalingTypeThereIsNoYarn) {
  for (const char* type : {"", "none"}) {
    GgufWriter w = tiny_model();
    w.remove("deepseek2.rope.scaling.type");
    if (*type != '\0') w.set_text("deepseek2.rope.scaling.type", type);
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok());
    EXPECT_EQ(text(*file, "rope_scaling.type"), std::nullopt);
    EXPECT_EQ(real(*file, "rope_scaling.factor"), std::nullopt);
    EXPECT_EQ(real(*file, "rope_scaling.mscale_all_dim"), std::nullopt);
    EXPECT_EQ(integer(*file, "rope_scaling.original_max_position_embeddings"), std::nullopt);
  }
}

TEST(GgufCheckpointTest, RefusesOtherKindsOfRopeScaling) {
  for (const char* type : {"linear", "longrope", "YARN", "", "\x1b[2J"}) {
    GgufWriter w = tiny_model();
    w.set_text("deepseek2.rope.scaling.type", type);
    expect_refused(w, HADAL_E_UNSUPPORTED, {"deepseek2.rope.scaling.type"});
  }
}

TEST(GgufCheckpointTest, RefusesFactorsItWouldIgnore) {
  for (const char* key : {"rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor",
                          "rope.scaling.attn_factor"}) {
    GgufWriter w = tiny_model();
    w.set_f32(std::string("deepseek2.") + key, 1.0f);
    EXPECT_TRUE(open_writer(w)->ok()) << key;
    w.set_f32(std::string("deepseek2.") + key, 0.5f);
    expect_refused(w, HADAL_E_UNSUPPORTED, {key, "0.5"});
  }
  GgufWriter w = tiny_model();
  w.set_f32("deepseek2.attention.temperature_scale", 0.1f);
  expect_refused(w, HADAL_E_UNSUPPORTED, {"attention.temperature_scale"});
}

TEST(GgufCheckpointTest, KnowsTwoGates) {
  const auto with_gate = [](uint32_t id) {
    GgufWriter w = tiny_model();
    w.set_u32("deepseek2.expert_gating_func", id);
    return w;
  };
  EXPECT_EQ(text(*open_writer(with_gate(0)), "scoring_func"), "softmax");
  EXPECT_EQ(text(*open_writer(with_gate(1)), "scoring_func"), "softmax");
  EXPECT_EQ(text(*open_writer(with_gate(2)), "scoring_func"), "sigmoid");
  for (const uint32_t id : {3u, 4u, 5u, UINT32_MAX}) {
    expect_refused(with_gate(id), HADAL_E_UNSUPPORTED, {"deepseek2.expert_gating_func"});
  }
  // V2's files have no such key: softmax. A file with a correction bias must say what it biases.
  GgufWriter w = tiny_model();
  w.remove("deepseek2.expert_gating_func");
  expect_refused(w, HADAL_E_UNSUPPORTED, {"expert_gating_func", "exp_probs_b"});
  w.remove_tensor("blk.1.exp_probs_b.bias").remove_tensor("blk.2.exp_probs_b.bias");
  EXPECT_EQ(text(*open_writer(w), "scoring_func"), "softmax");
}

TEST(GgufCheckpointTest, ChoosesTheTopkMethodByBiasThenByGroups) {
  GgufWriter w = tiny_model();
  EXPECT_EQ(text(*open_writer(w), "topk_method"), "noaux_tc");
  w.remove_tensor("blk.1.exp_probs_b.bias").remove_tensor("blk.2.exp_probs_b.bias");
  EXPECT_EQ(text(*open_writer(w), "topk_method"), "group_limited_greedy");
  w.set_u32("deepseek2.expert_group_count", 1);
  EXPECT_EQ(text(*open_writer(w), "topk_method"), "greedy");
  w.tensor("blk.1.exp_probs_b", {4});  // as some tools spell it
  const auto file = open_writer(w);
  EXPECT_EQ(text(*file, "topk_method"), "noaux_tc");
  EXPECT_NE((*file)->manifest().find("layers.1.mlp.gate.e_score_correction_bias"), nullptr);
}

TEST(GgufCheckpointTest, RefusesABiasUnderBothNames) {
  GgufWriter w = tiny_model();
  w.tensor("blk.1.exp_probs_b", {4});
  expect_refused(w, HADAL_E_FORMAT, {"blk.1.exp_probs_b", "appears twice"});
}

TEST(GgufCheckpointTest, RefusesOtherArchitecturesAndKindsOfFiles) {
  GgufWriter w = tiny_model();
  w.set_text("general.architecture", "llama");
  expect_refused(w, HADAL_E_UNSUPPORTED, {"general.architecture", "llama"});
  w.remove("general.architecture");
  expect_refused(w, HADAL_E_FORMAT, {"general.architecture"});
  w = tiny_model();
  w.set_text("general.type", "imatrix");
  expect_refused(w, HADAL_E_UNSUPPORTED, {"general.type", "imatrix"});
  w = tiny_model();
  w.set_u32("general.quantization_version", 1);
  expect_refused(w, HADAL_E_UNSUPPORTED, {"general.quantization_version"});
}

TEST(GgufCheckpointTest, RefusesAsManyMtpLayersAsBlocks) {  // M15
  for (const uint32_t nextn : {3u, 4u, 0x7fffffffu, UINT32_MAX}) {
    GgufWriter w = tiny_model();
    w.set_u32("deepseek2.nextn_predict_layers", nextn);
    expect_refused(w, HADAL_E_FORMAT, {"nextn_predict_layers", "less than block_count"});
  }
  GgufWriter w = tiny_model();
  w.set_raw("deepseek2.nextn_predict_layers", 5, raw(int32_t{-1}));
  expect_refused(w, HADAL_E_FORMAT, {"nextn_predict_layers", "-1"});
  w = tiny_model();
  w.set_u32("deepseek2.block_count", 0);
  expect_refused(w, HADAL_E_FORMAT, {"block_count"});
  w.set_raw("deepseek2.block_count", 11, raw(std::numeric_limits<int64_t>::min()));
  expect_refused(w, HADAL_E_FORMAT, {"block_count"});
}

TEST(GgufCheckpointTest, CountsLayersBesideTheMtpLayer) {  // M15: 61 and 62 blocks
  for (const auto& [blocks, nextn] : std::vector<std::pair<uint32_t, uint32_t>>{{61, 0}, {62, 1}}) {
    GgufWriter w = tiny_model();
    w.set_u32("deepseek2.block_count", blocks).set_u32("deepseek2.nextn_predict_layers", nextn);
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok());
    EXPECT_EQ(integer(*file, "num_hidden_layers"), 61);
  }
}

// ---- Types
// ---------------------------------------------------------------------------------------

TEST(GgufCheckpointTest, ReadsIntegersOfAnyWidth) {
  const std::pair<uint32_t, std::string> same[] = {
      {0, raw(uint8_t{61})},   {1, raw(int8_t{61})},   {2, raw(uint16_t{61})},
      {3, raw(int16_t{61})},   {4, raw(uint32_t{61})}, {5, raw(int32_t{61})},
      {10, raw(uint64_t{61})}, {11, raw(int64_t{61})},
  };
  for (const auto& [type, value] : same) {
    GgufWriter w = tiny_model();
    w.set_raw("deepseek2.embedding_length", type, value);
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok()) << type;
    EXPECT_EQ(integer(*file, "hidden_size"), 61) << type;
  }
}

TEST(GgufCheckpointTest, RefusesIntegersBeyond63Bits) {
  GgufWriter w = tiny_model();
  w.set_raw("deepseek2.embedding_length", 10, raw(uint64_t{1} << 63));
  expect_refused(w, HADAL_E_FORMAT, {"deepseek2.embedding_length", "9223372036854775808"});
}

TEST(GgufCheckpointTest, RefusesNumbersThatAreNotFinite) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    GgufWriter w = tiny_model();
    w.set_f32("deepseek2.rope.freq_base", value);
    expect_refused(w, HADAL_E_FORMAT, {"deepseek2.rope.freq_base", "finite"});
  }
}

// Each key that hadal reads, given each type that is not its own, is an error that names the key.
TEST(GgufCheckpointTest, RefusesEveryKeyWithEveryWrongType) {
  const std::string zero8(8, '\0');
  const std::pair<uint32_t, std::string> values[] = {
      {0, raw(uint8_t{1})},   {1, raw(int8_t{1})},   {2, raw(uint16_t{1})},
      {3, raw(int16_t{1})},   {4, raw(uint32_t{1})}, {5, raw(int32_t{1})},
      {6, raw(1.0f)},         {7, raw(uint8_t{1})},  {8, test::raw_string("1")},
      {10, raw(uint64_t{1})}, {11, raw(int64_t{1})}, {12, raw(1.0)},
  };
  const auto is_integer_type = [](uint32_t type) { return type <= 5 || type == 10 || type == 11; };
  const GgufWriter model = tiny_model();
  int n_tried = 0;
  for (const GgufWriter::Entry& own : model.entries) {
    if (own.key == "general.name") continue;  // for people: any type will do
    const bool is_array = own.type == 9;
    const bool own_is_strings = is_array && own.value.substr(0, 4) == raw(uint32_t{8});
    for (const auto& [type, value] : values) {
      for (const bool as_array : {false, true}) {
        bool right = false;
        if (is_array) {
          right = as_array && (own_is_strings ? type == 8 : is_integer_type(type));
        } else if (!as_array) {
          right = type == own.type || (is_integer_type(own.type) && is_integer_type(type)) ||
                  (own.type == 6 && type == 12) || (own.type == 7 && type <= 1);
        }
        if (right) continue;
        GgufWriter w = model;
        if (as_array) {
          w.set_raw(own.key, 9, raw(type) + raw(uint64_t{1}) + value);
        } else {
          w.set_raw(own.key, type, value);
        }
        expect_refused(w, HADAL_E_FORMAT, {own.key.c_str(), "wanted"});
        ++n_tried;
      }
    }
  }
  EXPECT_GT(n_tried, 800);
}

// Every number of the architecture at the ends of its range: an error or a checkpoint, never more.
TEST(GgufCheckpointTest, SurvivesEveryNumberAtItsEnds) {
  const GgufWriter model = tiny_model();
  for (const GgufWriter::Entry& own : model.entries) {
    if (own.type != 4) continue;
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{INT32_MAX},
                                 uint64_t{INT32_MAX} + 1, uint64_t{UINT32_MAX}, uint64_t{INT64_MAX},
                                 uint64_t{INT64_MAX} + 1, uint64_t{UINT64_MAX}}) {
      GgufWriter w = model;
      w.set_raw(own.key, 10, raw(value));
      const auto file = open_writer(w);
      if (!file->ok()) {
        const hadal_status code = code_of(file->result.status());
        EXPECT_TRUE(code == HADAL_E_FORMAT || code == HADAL_E_UNSUPPORTED) << own.key;
        continue;
      }
      EXPECT_LE(value, uint64_t{INT64_MAX}) << own.key;
      for (const char* name : {"num_hidden_layers", "qk_nope_head_dim", "vocab_size", "n_group"}) {
        const auto number = (*file)->integer(name);
        EXPECT_GE(number.ok() ? number->value_or(0) : 0, 0) << own.key << " " << name;
      }
      const auto vocabulary = (*file)->vocabulary();
      const hadal_status code = code_of(vocabulary.status());
      EXPECT_TRUE(code == HADAL_OK || code == HADAL_E_FORMAT) << own.key;
    }
  }
}

// ---- Tensors
// -------------------------------------------------------------------------------------

TEST(GgufCheckpointTest, TranslatesEveryTensorName) {
  const auto file = open_writer(tiny_model());
  ASSERT_TRUE(file->ok());
  const std::pair<const char*, const char*> names[] = {
      {"embed_tokens", "token_embd.weight"},
      {"norm", "output_norm.weight"},
      {"lm_head", "output.weight"},
      {"layers.0.input_layernorm", "blk.0.attn_norm.weight"},
      {"layers.0.post_attention_layernorm", "blk.0.ffn_norm.weight"},
      {"layers.0.self_attn.q_a_proj", "blk.0.attn_q_a.weight"},
      {"layers.0.self_attn.q_a_layernorm", "blk.0.attn_q_a_norm.weight"},
      {"layers.0.self_attn.q_b_proj", "blk.0.attn_q_b.weight"},
      {"layers.0.self_attn.kv_a_proj_with_mqa", "blk.0.attn_kv_a_mqa.weight"},
      {"layers.0.self_attn.kv_a_layernorm", "blk.0.attn_kv_a_norm.weight"},
      {"layers.0.self_attn.k_b_proj", "blk.0.attn_k_b.weight"},
      {"layers.0.self_attn.v_b_proj", "blk.0.attn_v_b.weight"},
      {"layers.0.self_attn.o_proj", "blk.0.attn_output.weight"},
      {"layers.0.mlp.gate_proj", "blk.0.ffn_gate.weight"},
      {"layers.0.mlp.up_proj", "blk.0.ffn_up.weight"},
      {"layers.0.mlp.down_proj", "blk.0.ffn_down.weight"},
      {"layers.1.mlp.gate", "blk.1.ffn_gate_inp.weight"},
      {"layers.1.mlp.gate.e_score_correction_bias", "blk.1.exp_probs_b.bias"},
      {"layers.1.mlp.experts.gate_proj", "blk.1.ffn_gate_exps.weight"},
      {"layers.1.mlp.experts.up_proj", "blk.1.ffn_up_exps.weight"},
      {"layers.1.mlp.experts.down_proj", "blk.1.ffn_down_exps.weight"},
      {"layers.1.mlp.shared_experts.gate_proj", "blk.1.ffn_gate_shexp.weight"},
      {"layers.1.mlp.shared_experts.up_proj", "blk.1.ffn_up_shexp.weight"},
      {"layers.1.mlp.shared_experts.down_proj", "blk.1.ffn_down_shexp.weight"},
      {"layers.2.eh_proj", "blk.2.nextn.eh_proj.weight"},
      {"layers.2.embed_tokens", "blk.2.nextn.embed_tokens.weight"},
      {"layers.2.enorm", "blk.2.nextn.enorm.weight"},
      {"layers.2.hnorm", "blk.2.nextn.hnorm.weight"},
      {"layers.2.shared_head.head", "blk.2.nextn.shared_head_head.weight"},
      {"layers.2.shared_head.norm", "blk.2.nextn.shared_head_norm.weight"},
  };
  for (const auto& [name, in_file] : names) {
    const TensorEntry* entry = (*file)->manifest().find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->name_in_file, in_file);
  }
}

TEST(GgufCheckpointTest, TranslatesTheNamesOfOtherLayouts) {
  GgufWriter w = tiny_model();
  w.tensor("blk.60.attn_q.weight", {4});
  w.tensor("blk.60.attn_kv_b.weight", {4});
  w.tensor("blk.60.ffn_gate_up_exps.weight", {4});
  const auto file = open_writer(w);
  ASSERT_TRUE(file->ok());
  EXPECT_NE((*file)->manifest().find("layers.60.self_attn.q_proj"), nullptr);
  EXPECT_NE((*file)->manifest().find("layers.60.self_attn.kv_b_proj"), nullptr);
  EXPECT_NE((*file)->manifest().find("layers.60.mlp.experts.gate_up_proj"), nullptr);
}

TEST(GgufCheckpointTest, KeepsUnknownTensorsUnderTheirOwnNames) {
  for (const char* name :
       {"rope_freqs.weight", "blk.0.attn_q_a.bias", "blk.00.attn_norm.weight",
        "blk..attn_norm.weight", "blk.-1.attn_norm.weight", "blk.+1.attn_norm.weight",
        "blk.1x.attn_norm.weight", "blk.99999999999.attn_norm.weight", "blk.0", "blk.", "blk.0.",
        "BLK.0.attn_norm.weight"}) {
    GgufWriter w = tiny_model();
    w.tensor(name, {4});
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok()) << name;
    EXPECT_NE((*file)->manifest().find(name), nullptr) << name;
  }
}

TEST(GgufCheckpointTest, TiesTheHeadToTheEmbeddingWhereThereIsNoOutput) {
  GgufWriter w = tiny_model();
  w.remove_tensor("output.weight");
  EXPECT_EQ(flag(*open_writer(w), "tie_word_embeddings"), true);
}

// ---- Files that say too little
// -------------------------------------------------------------------

// A header of V3's shape: what recognition looks at, and a bias.
GgufWriter v3_shape() {
  GgufWriter w = tiny_model();
  w.set_u32("deepseek2.expert_count", 256).set_u32("deepseek2.attention.head_count", 128);
  w.remove("deepseek2.expert_group_count").remove("deepseek2.expert_group_used_count");
  return w;
}

TEST(GgufCheckpointTest, GivesV3ItsGroupsBackAndSaysSo) {  // G11
  Records records;
  const auto file = open_writer(v3_shape(), {}, records.log());
  ASSERT_TRUE(file->ok());
  EXPECT_EQ(integer(*file, "n_group"), 8);
  EXPECT_EQ(integer(*file, "topk_group"), 4);
  EXPECT_EQ(text(*file, "topk_method"), "noaux_tc");
  EXPECT_THAT(records.lines, testing::ElementsAre(testing::HasSubstr("expert_group_count")));
}

TEST(GgufCheckpointTest, LeavesV3UngroupedIfAskedTo) {  // G11
  Records records;
  CheckpointOptions options;
  options.infer_expert_groups = false;
  const auto file = open_writer(v3_shape(), options, records.log());
  EXPECT_EQ(integer(*file, "n_group"), 1);
  EXPECT_EQ(integer(*file, "topk_group"), 1);
  EXPECT_THAT(records.lines, testing::IsEmpty());
}

TEST(GgufCheckpointTest, GivesGroupsToNobodyElse) {  // G11, and F4: the layer count never matters
  const auto expect_ungrouped = [](const GgufWriter& w, const char* what) {
    Records records;
    const auto file = open_writer(w, {}, records.log());
    ASSERT_TRUE(file->ok()) << what;
    EXPECT_EQ(integer(*file, "n_group"), 1) << what;
    EXPECT_THAT(records.lines, testing::IsEmpty()) << what;
  };
  GgufWriter w = v3_shape();
  expect_ungrouped(w.set_u32("deepseek2.expert_count", 384), "384 experts");
  w = v3_shape();
  expect_ungrouped(w.set_u32("deepseek2.attention.head_count", 64), "64 heads");
  w = v3_shape();
  expect_ungrouped(w.set_u32("deepseek2.expert_gating_func", 1), "softmax");
  w = v3_shape();
  w.remove_tensor("blk.1.exp_probs_b.bias").remove_tensor("blk.2.exp_probs_b.bias");
  expect_ungrouped(w, "no bias");
  w = v3_shape();
  expect_ungrouped(w.set_u32("deepseek2.expert_group_count", 1), "one group, as the file says");
  for (const uint32_t blocks : {26u, 27u, 48u, 61u}) {
    w = tiny_model();
    w.remove("deepseek2.expert_group_count").remove("deepseek2.expert_group_used_count");
    expect_ungrouped(w.set_u32("deepseek2.block_count", blocks), "number of layers");
  }
}

GgufWriter kimi_k2_shape() {
  GgufWriter w = tiny_model();
  w.set_u32("deepseek2.expert_count", 384).set_f32("deepseek2.rope.freq_base", 50000.0f);
  w.set_u32("deepseek2.expert_group_count", 1).set_u32("deepseek2.expert_group_used_count", 1);
  w.remove("deepseek2.rope.scaling.yarn_beta_fast");
  w.remove("deepseek2.rope.scaling.yarn_beta_slow");
  return w;
}

TEST(GgufCheckpointTest, GivesKimiK2ItsBetasBackAndSaysSo) {  // A18, F5
  Records records;
  const auto file = open_writer(kimi_k2_shape(), {}, records.log());
  ASSERT_TRUE(file->ok());
  EXPECT_EQ(real(*file, "rope_scaling.beta_fast"), 1.0);
  EXPECT_EQ(real(*file, "rope_scaling.beta_slow"), 1.0);
  EXPECT_THAT(records.lines, testing::ElementsAre(testing::HasSubstr("beta")));
}

TEST(GgufCheckpointTest, LeavesBetasAloneInEveryOtherFile) {  // A18
  const auto expect_32 = [](const GgufWriter& w, const char* what) {
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok()) << what;
    EXPECT_EQ(real(*file, "rope_scaling.beta_fast"), 32.0) << what;
  };
  GgufWriter w = kimi_k2_shape();
  expect_32(w.set_u32("deepseek2.expert_count", 256), "256 experts");
  w = kimi_k2_shape();
  expect_32(w.set_f32("deepseek2.rope.freq_base", 10000.0f), "theta 10000");
  w = kimi_k2_shape();
  expect_32(w.set_f32("deepseek2.rope.scaling.yarn_beta_fast", 32.0f), "as the file says");
  w = kimi_k2_shape();
  expect_32(w.set_f32("deepseek2.rope.scaling.yarn_beta_slow", 1.0f), "half of it said");
}

// ---- Metadata
// ------------------------------------------------------------------------------------

TEST(GgufCheckpointTest, ShowsMetadataAsTextAndJson) {
  GgufWriter w = tiny_model();
  w.set_raw("x.f64", 12, raw(0.1)).set_raw("x.i64", 11, raw(int64_t{-5}));
  w.set_raw("x.u64", 10, raw(UINT64_MAX));
  w.set_strings("x.strings", {"a\"b", "\xff", ""});
  w.set_raw("x.reals", 9,
            raw(uint32_t{6}) + raw(uint64_t{2}) + raw(0.1f) +
                raw(std::numeric_limits<float>::infinity()));
  w.set_raw("x.none", 9, raw(uint32_t{8}) + raw(uint64_t{0}));
  const auto file = open_writer(w);
  ASSERT_TRUE(file->ok());
  const std::pair<const char*, const char*> wanted[] = {
      {"general.architecture", "deepseek2"},
      {"deepseek2.block_count", "3"},
      {"deepseek2.rope.scaling.yarn_log_multiplier", "0.1"},
      {"deepseek2.expert_weights_norm", "true"},
      {"tokenizer.ggml.token_type", "[3,3,1,1,1,4,5,2]"},
      {"x.f64", "0.1"},
      {"x.i64", "-5"},
      {"x.u64", "18446744073709551615"},
      {"x.strings", "[\"a\\\"b\",\"\xef\xbf\xbd\",\"\"]"},
      {"x.reals", "[0.1,null]"},
      {"x.none", "[]"},
  };
  for (const auto& [key, text] : wanted) EXPECT_EQ((*file)->metadata(key), text) << key;
  EXPECT_EQ((*file)->metadata("absent"), std::nullopt);
  EXPECT_EQ((*file)->metadata_keys().size(), w.entries.size());
  EXPECT_EQ((*file)->metadata_keys().front(), "general.architecture");
}

}  // namespace
}  // namespace hadal
