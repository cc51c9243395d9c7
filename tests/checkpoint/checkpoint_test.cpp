// What open_checkpoint makes of files of every kind, and of the toy models.
#include "lib/checkpoint/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/opening.hpp"

namespace hadal {
namespace {

using test::expect_is_failure;
using test::open_bytes;

struct Wrong {
  std::string bytes;
  const char* hint;
};

TEST(CheckpointTest, SaysWhatAFileOfAnotherKindLooksLike) {
  const Wrong files[] = {
      {"{\"architectures\": [", "JSON"},
      {"tjgg\1\0\0\0", "before GGUF"},
      {"PK\3\4 model.pt", "PyTorch"},
      {"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
      {"<!DOCTYPE html>", "checksum"},
      {std::string(4, '\0'), "checksum"},
  };
  for (const Wrong& file : files) {
    const auto opened = open_bytes(file.bytes);
    ASSERT_FALSE(opened->ok()) << file.hint;
    expect_is_failure(opened->result.status(), HADAL_E_UNSUPPORTED, {"not a GGUF file"});
    EXPECT_THAT(hint_of(opened->result.status()), testing::HasSubstr(file.hint));
  }
}

TEST(CheckpointTest, CallsAFileTooShortForAnythingDamaged) {
  for (const char* bytes : {"", "G", "GG", "GGU", "abc"}) {
    const auto opened = open_bytes(bytes);
    ASSERT_FALSE(opened->ok());
    expect_is_failure(opened->result.status(), HADAL_E_FORMAT, {"too few"});
  }
}

TEST(CheckpointTest, PassesOnThatThereIsNoSuchFile) {
  test::MemoryFiles memory;
  const auto result = open_checkpoint(memory.files(), "nowhere.gguf", {}, {});
  ASSERT_FALSE(result.ok());
  expect_is_failure(result.status(), HADAL_E_NOT_FOUND, {"nowhere.gguf"});
}

TEST(CheckpointTest, SaysThatAFolderIsNoFile) {
  const auto result = open_checkpoint(*system_files(), HADAL_TEST_DATA, {}, {});
  ASSERT_FALSE(result.ok());
  expect_is_failure(result.status(), HADAL_E_UNSUPPORTED, {HADAL_TEST_DATA});
}

struct Toy {
  const char* path;
  size_t n_tensors, n_files;
  int64_t num_hidden_layers, num_nextn_predict_layers, n_group, topk_group;
  int64_t q_lora_rank;  // 0: none
  int64_t qk_nope_head_dim, v_head_dim;
  const char *scoring_func, *topk_method, *rope_scaling;  // "" for none
  double beta_fast, mscale_all_dim;
  bool has_joint_kv_b;
};
constexpr Toy kToys[] = {
    {"v3/v3-f32.gguf", 52, 1, 3, 0, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc", "yarn", 32, 1, false},
    {"v3/v3-bf16.gguf", 52, 1, 3, 0, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc", "yarn", 32, 1, false},
    {"v3/v3-bf16-shards-00001-of-00003.gguf", 52, 3, 3, 0, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc",
     "yarn", 32, 1, false},
    {"v3/v3-bf16-shards-00002-of-00003.gguf", 52, 3, 3, 0, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc",
     "yarn", 32, 1, false},
    {"v3/v3-bf16-shards-00003-of-00003.gguf", 52, 3, 3, 0, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc",
     "yarn", 32, 1, false},
    {"v3/v3-joint-f32.gguf", 49, 1, 3, 0, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc", "yarn", 32, 1,
     true},
    {"v3/v3-joint-nogroup-f32.gguf", 49, 1, 3, 0, 1, 1, 32, 32, 32, "sigmoid", "noaux_tc", "yarn",
     32, 1, true},
    {"v3/v3-mtp-f32.gguf", 76, 1, 3, 1, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc", "yarn", 32, 1,
     false},
    {"v3-negbias/v3-negbias-f32.gguf", 78, 1, 5, 0, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc", "yarn",
     32, 1, false},
    {"v3-fp8/v3-fp8-f32.gguf", 52, 1, 3, 0, 4, 2, 64, 32, 32, "sigmoid", "noaux_tc", "yarn", 32, 1,
     false},
    {"v31-fp8/v31-fp8-f32.gguf", 34, 1, 2, 0, 4, 2, 64, 32, 32, "sigmoid", "noaux_tc", "yarn", 32,
     1, false},
    {"v2/v2-f32.gguf", 50, 1, 3, 0, 8, 3, 32, 16, 32, "softmax", "group_limited_greedy", "yarn", 32,
     1, false},
    {"v2-lite/v2-lite-f32.gguf", 44, 1, 3, 0, 1, 1, 0, 16, 16, "softmax", "greedy", "yarn", 32,
     0.707, false},
    {"v2-lite/v2-lite-joint-f32.gguf", 41, 1, 3, 0, 1, 1, 0, 16, 16, "softmax", "greedy", "yarn",
     32, 0.707, true},
    {"moonlight/moonlight-f32.gguf", 46, 1, 3, 0, 1, 1, 0, 32, 32, "sigmoid", "noaux_tc", "", 0, 0,
     false},
    {"kimi-k2/kimi-k2-f32.gguf", 52, 1, 3, 0, 1, 1, 32, 24, 48, "sigmoid", "noaux_tc", "yarn", 1, 1,
     false},
    {"gigachat3/gigachat3-f32.gguf", 46, 1, 3, 0, 1, 1, 0, 16, 48, "sigmoid", "noaux_tc", "", 0, 0,
     false},
    {"yarn-odd/yarn-odd-f32.gguf", 52, 1, 3, 0, 4, 2, 32, 32, 32, "sigmoid", "noaux_tc", "yarn", 32,
     1, false},
};

TEST(CheckpointTest, ReadsEveryToyOfTheFamily) {
  for (const Toy& toy : kToys) {
    SCOPED_TRACE(toy.path);
    test::Records records;
    const auto result =
        open_checkpoint(*system_files(), std::string(HADAL_TEST_DATA "/golden/toys/") + toy.path,
                        {}, records.log());
    ASSERT_TRUE(result.ok()) << message_of(result.status());
    const Checkpoint& c = **result;
    EXPECT_EQ(c.manifest().entries().size(), toy.n_tensors);
    EXPECT_EQ(c.files().size(), toy.n_files);
    EXPECT_EQ(*c.integer("num_hidden_layers"), toy.num_hidden_layers);
    EXPECT_EQ(*c.integer("num_nextn_predict_layers"), toy.num_nextn_predict_layers);
    EXPECT_EQ(*c.integer("n_group"), toy.n_group);
    EXPECT_EQ(*c.integer("topk_group"), toy.topk_group);
    EXPECT_EQ(c.integer("q_lora_rank")->value_or(0), toy.q_lora_rank);
    EXPECT_EQ(*c.integer("qk_nope_head_dim"), toy.qk_nope_head_dim);
    EXPECT_EQ(*c.integer("v_head_dim"), toy.v_head_dim);
    EXPECT_EQ(*c.text("scoring_func"), toy.scoring_func);
    EXPECT_EQ(*c.text("topk_method"), toy.topk_method);
    EXPECT_EQ(c.text("rope_scaling.type")->value_or(""), toy.rope_scaling);
    EXPECT_EQ(c.real("rope_scaling.beta_fast")->value_or(0), toy.beta_fast);
    EXPECT_NEAR(c.real("rope_scaling.mscale_all_dim")->value_or(0), toy.mscale_all_dim, 1e-6);
    EXPECT_EQ(c.manifest().find("layers.1.self_attn.kv_b_proj") != nullptr, toy.has_joint_kv_b);
    EXPECT_EQ(c.manifest().find("layers.1.self_attn.k_b_proj") != nullptr, !toy.has_joint_kv_b);
    EXPECT_TRUE(records.lines.empty()) << "nothing is guessed of a toy";
    const auto vocabulary = c.vocabulary();
    ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
    EXPECT_EQ(vocabulary->tokens.size(), 320u);
    EXPECT_EQ(vocabulary->merges.size(), 35u);
    for (const TensorEntry& entry : c.manifest().entries()) {
      EXPECT_NE(entry.name, entry.name_in_file) << "a tensor of a toy that hadal does not know";
    }
  }
}

}  // namespace
}  // namespace hadal
