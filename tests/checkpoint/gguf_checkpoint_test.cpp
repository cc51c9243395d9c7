// GGUF's keys in config.json's words: translations, defaults, both styles of heads, what cannot be.
#include "lib/checkpoint/gguf_checkpoint.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/values_of.hpp"

namespace hadal {
namespace {

using test::expect_is_failure;
using test::expect_refused;
using test::flag;
using test::GgufWriter;
using test::integer;
using test::open_writer;
using test::raw;
using test::real;
using test::text;
using test::tiny_model;

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
