#include "lib/model/named_weights.hpp"

#include <utility>

#include "absl/strings/str_cat.h"

namespace hadal {
namespace {

class Names {
 public:
  void add(absl::string_view name, const Weight& w) {
    if (w.is_present()) named_.push_back({absl::StrCat(layer_, name), &w});
  }
  void add(absl::string_view ffn, const FfnWeights& w) {
    add(absl::StrCat(ffn, ".gate_proj"), w.gate_proj);
    add(absl::StrCat(ffn, ".up_proj"), w.up_proj);
    add(absl::StrCat(ffn, ".down_proj"), w.down_proj);
  }
  void add_layer(size_t i, const LayerWeights& w) {
    layer_ = absl::StrCat("layers.", i, ".");
    const MlaWeights& mla = w.self_attn;
    add("self_attn.q_proj", mla.q_proj);
    add("self_attn.q_a_proj", mla.q_a_proj);
    add("self_attn.q_b_proj", mla.q_b_proj);
    add("self_attn.kv_a_proj_with_mqa", mla.kv_a_proj_with_mqa);
    named_.push_back({absl::StrCat(layer_, "self_attn.kv_b_proj"), &mla.kv_a_layernorm, true});
    add("self_attn.k_b_proj", mla.k_b_proj);
    add("self_attn.v_b_proj", mla.v_b_proj);
    add("self_attn.o_proj", mla.o_proj);
    add("mlp", w.ffn);
    add("mlp.gate", w.moe.gate);
    add("mlp.experts", w.moe.experts);
    add("mlp.shared_experts", w.moe.shared_experts);
    layer_.clear();
  }
  std::vector<NamedWeight> take() { return std::move(named_); }

 private:
  std::string layer_;  // in front of the names
  std::vector<NamedWeight> named_;
};

}  // namespace

std::vector<NamedWeight> named_weights(const ModelWeights& weights) {
  Names names;
  for (size_t i = 0; i < weights.layers.size(); ++i) names.add_layer(i, weights.layers[i]);
  names.add("lm_head", weights.lm_head);
  return names.take();
}

}  // namespace hadal
