// Mirrors lib/model/config: the whole family is read, and numbers that contradict each other are
// not.
#include "lib/model/config.hpp"

#include <gtest/gtest.h>

#include "tests/model/fake_checkpoint.hpp"

namespace hadal::test {
namespace {

Json deepseek_v3() {
  return Json{{"vocab_size", 129280},
              {"hidden_size", 7168},
              {"num_hidden_layers", 61},
              {"num_nextn_predict_layers", 1},
              {"first_k_dense_replace", 3},
              {"intermediate_size", 18432},
              {"max_position_embeddings", 163840},
              {"rms_norm_eps", 1e-6},
              {"num_attention_heads", 128},
              {"q_lora_rank", 1536},
              {"kv_lora_rank", 512},
              {"qk_rope_head_dim", 64},
              {"qk_nope_head_dim", 128},
              {"v_head_dim", 128},
              {"rope_theta", 10000.0},
              {"rope_scaling.type", "yarn"},
              {"rope_scaling.factor", 40.0},
              {"rope_scaling.original_max_position_embeddings", 4096},
              {"rope_scaling.mscale", 1.0},
              {"rope_scaling.mscale_all_dim", 1.0},
              {"n_routed_experts", 256},
              {"num_experts_per_tok", 8},
              {"n_shared_experts", 1},
              {"moe_intermediate_size", 2048},
              {"scoring_func", "sigmoid"},
              {"topk_method", "noaux_tc"},
              {"n_group", 8},
              {"topk_group", 4},
              {"norm_topk_prob", true},
              {"routed_scaling_factor", 2.5}};
}

absl::Status read_with(const std::string& key, const Json& value) {
  Json values = deepseek_v3();
  values[key] = value;
  return read_config(FakeCheckpoint(values)).status();
}

TEST(ConfigTest, DeepseekV3) {
  const auto read = read_config(FakeCheckpoint(deepseek_v3()));
  ASSERT_TRUE(read.ok()) << message_of(read.status());
  EXPECT_EQ(read->qk_head_dim(), 192);
  EXPECT_EQ(read->latent_dim(), 576);
  EXPECT_EQ(read->q_lora_rank, 1536);
  EXPECT_EQ(read->scoring_func, ScoringFunc::kSigmoid);
  EXPECT_EQ(read->topk_method, TopkMethod::kNoauxTc);
  EXPECT_FALSE(read->is_moe_layer(2));
  EXPECT_TRUE(read->is_moe_layer(3));
  ASSERT_TRUE(read->rope_scaling);
  EXPECT_EQ(read->rope_scaling->beta_fast, 32.0);
  const auto shown = parse_json(config_json(*read), "config");
  ASSERT_TRUE(shown.ok());
  EXPECT_EQ((*shown)["n_group"], 8);
  EXPECT_EQ((*shown)["rope_scaling"]["factor"], 40.0);
}

// Trap F4: whether there is a query bottleneck is what q_lora_rank says, never the number of
// layers.
TEST(ConfigTest, NoQueryBottleneckWhereTheFileNamesNone) {
  Json values = deepseek_v3();
  values.erase("q_lora_rank");
  EXPECT_FALSE(read_config(FakeCheckpoint(values))->q_lora_rank);
  values["q_lora_rank"] = 0;
  EXPECT_FALSE(read_config(FakeCheckpoint(values))->q_lora_rank);
}

TEST(ConfigTest, DefaultsOfWhatFilesLeaveOut) {
  Json values = deepseek_v3();
  for (const char* key : {"rope_scaling.type", "scoring_func", "topk_method", "n_group",
                          "topk_group", "norm_topk_prob", "routed_scaling_factor",
                          "n_shared_experts", "num_nextn_predict_layers", "rope_theta"}) {
    values.erase(key);
  }
  const auto read = read_config(FakeCheckpoint(values));
  ASSERT_TRUE(read.ok()) << message_of(read.status());
  EXPECT_FALSE(read->rope_scaling);
  EXPECT_EQ(read->scoring_func, ScoringFunc::kSoftmax);
  EXPECT_EQ(read->topk_method, TopkMethod::kGreedy);
  EXPECT_EQ(read->n_group, 1);
  EXPECT_FALSE(read->norm_topk_prob);
  EXPECT_EQ(read->routed_scaling_factor, 1.0f);
  EXPECT_EQ(read->num_nextn_predict_layers, 0);
  EXPECT_EQ(read->rope_theta, 10000.0);
}

TEST(ConfigTest, ADenseModelNeedsNoExperts) {
  Json values = deepseek_v3();
  values["first_k_dense_replace"] = 61;
  values["num_nextn_predict_layers"] = 0;
  for (const char* key : {"n_routed_experts", "num_experts_per_tok", "moe_intermediate_size"}) {
    values.erase(key);
  }
  EXPECT_TRUE(read_config(FakeCheckpoint(values)).ok());
}

TEST(ConfigTest, EveryNumberOutOfBoundsIsRefusedByItsName) {
  const Json all = deepseek_v3();
  for (const auto& [key, value] : all.items()) {
    if (!value.is_number() || key == "q_lora_rank" || key == "num_nextn_predict_layers" ||
        key == "n_shared_experts" || key == "first_k_dense_replace" ||
        key == "routed_scaling_factor") {
      continue;
    }
    for (const int64_t bad : {int64_t{-1}, int64_t{1} << 40}) {
      const absl::Status status = read_with(key, bad);
      EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << key << " = " << bad;
      EXPECT_NE(message_of(status).find(key), std::string::npos) << message_of(status);
      EXPECT_FALSE(hint_of(status).empty());
    }
  }
}

TEST(ConfigTest, EveryNumberThatMustBeThereIsMissed) {
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers",
                          "max_position_embeddings", "intermediate_size", "num_attention_heads",
                          "kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim",
                          "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size",
                          "rope_scaling.factor", "rope_scaling.original_max_position_embeddings"}) {
    Json values = deepseek_v3();
    values.erase(key);
    const absl::Status status = read_config(FakeCheckpoint(values)).status();
    EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << key;
    EXPECT_NE(message_of(status).find(key), std::string::npos) << message_of(status);
  }
}

TEST(ConfigTest, NumbersThatContradictEachOtherAreRefused) {
  EXPECT_EQ(code_of(read_with("n_group", 7)), HADAL_E_FORMAT) << "does not divide 256";
  EXPECT_EQ(code_of(read_with("topk_group", 9)), HADAL_E_FORMAT) << "more than there are";
  EXPECT_EQ(code_of(read_with("num_experts_per_tok", 129)), HADAL_E_FORMAT) << "128 are kept";
  EXPECT_TRUE(read_with("num_experts_per_tok", 128).ok());
  EXPECT_EQ(code_of(read_with("qk_rope_head_dim", 63)), HADAL_E_FORMAT) << "pairs";
  EXPECT_EQ(code_of(read_with("rope_theta", 1.0)), HADAL_E_FORMAT) << "YaRN takes its logarithm";
  EXPECT_EQ(code_of(read_with("scoring_func", "tanh")), HADAL_E_FORMAT);
  EXPECT_EQ(code_of(read_with("topk_method", "best")), HADAL_E_FORMAT);
}

}  // namespace
}  // namespace hadal::test
