// Names of tensors, from GGUF's to hadal's and back.
#include "lib/checkpoint/gguf_names.hpp"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(GgufNames, TheWayBackIsTheWayBack) {
  for (const char* in_file :
       {"token_embd.weight", "output_norm.weight", "output.weight", "blk.0.attn_q_a_norm.weight",
        "blk.60.attn_kv_b.weight", "blk.7.ffn_gate_inp.weight", "blk.7.exp_probs_b.bias",
        "blk.3.ffn_down_exps.weight", "blk.3.ffn_down_shexp.weight",
        "blk.61.nextn.embed_tokens.weight", "blk.61.nextn.shared_head_head.weight"}) {
    EXPECT_EQ(gguf_tensor_name(translated_gguf_tensor(in_file)), in_file);
  }
}

TEST(GgufNames, WhatHasNoneIsEmpty) {
  for (const char* name : {"", "layers.", "layers.3", "layers.03.mlp.down_proj", "layers.x.lm_head",
                           "layers.3.mlp.experts.7.down_proj", "layers.3.lm_head", "odd"}) {
    EXPECT_EQ(gguf_tensor_name(name), "") << name;
  }
}

}  // namespace
}  // namespace hadal
