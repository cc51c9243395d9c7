// GGUF files that say too little: models that are known by their shape, and those that are not.
#include "lib/checkpoint/gguf_checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/values_of.hpp"

namespace hadal {
namespace {

using test::GgufWriter;
using test::integer;
using test::open_writer;
using test::real;
using test::Records;
using test::text;
using test::tiny_model;

// A header of V3's shape: what recognition looks at, and a bias.
GgufWriter v3_shape() {
  GgufWriter w = tiny_model();
  w.set_u32("deepseek2.expert_count", 256).set_u32("deepseek2.attention.head_count", 128);
  w.remove("deepseek2.expert_group_count").remove("deepseek2.expert_group_used_count");
  return w;
}

TEST(GgufRecognitionTest, GivesV3ItsGroupsBackAndSaysSo) {  // G11
  Records records;
  const auto file = open_writer(v3_shape(), {}, records.log());
  ASSERT_TRUE(file->ok());
  EXPECT_EQ(integer(*file, "n_group"), 8);
  EXPECT_EQ(integer(*file, "topk_group"), 4);
  EXPECT_EQ(text(*file, "topk_method"), "noaux_tc");
  EXPECT_THAT(records.lines, testing::ElementsAre(testing::HasSubstr("expert_group_count")));
}

TEST(GgufRecognitionTest, LeavesV3UngroupedIfAskedTo) {  // G11
  Records records;
  CheckpointOptions options;
  options.infer_expert_groups = false;
  const auto file = open_writer(v3_shape(), options, records.log());
  EXPECT_EQ(integer(*file, "n_group"), 1);
  EXPECT_EQ(integer(*file, "topk_group"), 1);
  EXPECT_THAT(records.lines, testing::IsEmpty());
}

TEST(GgufRecognitionTest, GivesGroupsToNobodyElse) {  // G11, and F4: the layer count never matters
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

TEST(GgufRecognitionTest, GivesKimiK2ItsBetasBackAndSaysSo) {  // A18, F5
  Records records;
  const auto file = open_writer(kimi_k2_shape(), {}, records.log());
  ASSERT_TRUE(file->ok());
  EXPECT_EQ(real(*file, "rope_scaling.beta_fast"), 1.0);
  EXPECT_EQ(real(*file, "rope_scaling.beta_slow"), 1.0);
  EXPECT_THAT(records.lines, testing::ElementsAre(testing::HasSubstr("beta")));
}

TEST(GgufRecognitionTest, LeavesBetasAloneInEveryOtherFile) {  // A18
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

}  // namespace
}  // namespace hadal
