// Names of tensors in GGUF files, in hadal's words.
#include "lib/checkpoint/gguf_checkpoint.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/values_of.hpp"

namespace hadal {
namespace {

using test::flag;
using test::GgufWriter;
using test::open_writer;
using test::tiny_model;

TEST(GgufTensorsTest, TranslatesEveryTensorName) {
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

TEST(GgufTensorsTest, TranslatesTheNamesOfOtherLayouts) {
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

TEST(GgufTensorsTest, KeepsUnknownTensorsUnderTheirOwnNames) {
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

TEST(GgufTensorsTest, TiesTheHeadToTheEmbeddingWhereThereIsNoOutput) {
  GgufWriter w = tiny_model();
  w.remove_tensor("output.weight");
  EXPECT_EQ(flag(*open_writer(w), "tie_word_embeddings"), true);
}

}  // namespace
}  // namespace hadal
