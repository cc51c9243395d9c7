#include "lib/model/config.hpp"

#include <cmath>

#include "lib/base/json.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kDamaged =
    "The file is damaged or made by a faulty converter: convert or download it again.";

// Reads numbers within bounds; the first failure sticks, so that read_config reads as a list.
class Reader {
 public:
  explicit Reader(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  // A whole number within [min, max]; `otherwise` where the file is silent, and silence is an error
  // if there is none.
  int32_t integer(absl::string_view name, int64_t min, int64_t max,
                  std::optional<int64_t> otherwise = std::nullopt) {
    const auto value = take(checkpoint_.integer(name), name, otherwise);
    if (value && (*value < min || *value > max)) {
      complain(name, absl::StrCat("found ", *value, ", wanted ", min, " to ", max));
    }
    return status_.ok() && value ? static_cast<int32_t>(*value) : 0;
  }

  // A finite number within [min, max].
  double real(absl::string_view name, double min, double max,
              std::optional<double> otherwise = std::nullopt) {
    const auto value = take(checkpoint_.real(name), name, otherwise);
    if (value && !(*value >= min && *value <= max)) {
      complain(name, absl::StrCat("found ", *value, ", wanted ", min, " to ", max));
    }
    return status_.ok() && value ? *value : 0.0;
  }

  bool flag(absl::string_view name) {
    return take(checkpoint_.flag(name), name, std::optional<bool>(false)).value_or(false);
  }

  std::string text(absl::string_view name, absl::string_view otherwise) {
    return take(checkpoint_.text(name), name, std::optional<std::string>(otherwise)).value_or("");
  }

  void complain(absl::string_view name, absl::string_view what) {
    if (!status_.ok()) return;
    status_ = fail(HADAL_E_FORMAT, absl::StrCat(checkpoint_.spelling(name), ": ", what), kDamaged);
  }

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }

 private:
  template <class T>
  std::optional<T> take(absl::StatusOr<std::optional<T>> found, absl::string_view name,
                        const std::optional<T>& otherwise) {
    if (!status_.ok()) return std::nullopt;
    if (!found.ok()) {
      status_ = std::move(found).status();
      return std::nullopt;
    }
    if (!found->has_value() && !otherwise) complain(name, "the file does not say, and must");
    return found->has_value() ? *std::move(found) : otherwise;
  }

  const Checkpoint& checkpoint_;
  absl::Status status_;
};

constexpr int64_t kMaxWidth = 1 << 20;  // of anything; the largest real one is 163,840 rows
constexpr int64_t kMaxVocabulary = 1 << 24;

void read_attention(Reader& read, ModelConfig& c) {
  c.num_attention_heads = read.integer("num_attention_heads", 1, 4096);
  const int32_t q_lora_rank = read.integer("q_lora_rank", 0, kMaxWidth, 0);
  if (q_lora_rank > 0) c.q_lora_rank = q_lora_rank;
  c.kv_lora_rank = read.integer("kv_lora_rank", 1, 65536);
  c.qk_rope_head_dim = read.integer("qk_rope_head_dim", 2, 4096);
  c.qk_nope_head_dim = read.integer("qk_nope_head_dim", 1, 4096);
  c.v_head_dim = read.integer("v_head_dim", 1, 4096);
  c.rope_theta = read.real("rope_theta", 1.0, 1e12, 10000.0);
  if (c.qk_rope_head_dim % 2 != 0) {
    read.complain("qk_rope_head_dim",
                  absl::StrCat("found ", c.qk_rope_head_dim, ", wanted an even number"));
  }

  const std::string scaling = read.text("rope_scaling.type", "none");
  if (scaling != "yarn") return;
  if (c.rope_theta <= 1.0) {  // YaRN divides by its logarithm
    read.complain("rope_theta", absl::StrCat("found ", c.rope_theta, ", YaRN wants more than 1"));
  }
  YarnScaling yarn;
  yarn.factor = read.real("rope_scaling.factor", 1.0, 1e6);
  yarn.beta_fast = read.real("rope_scaling.beta_fast", 1e-6, 1e6, 32.0);
  yarn.beta_slow = read.real("rope_scaling.beta_slow", 1e-6, 1e6, 1.0);
  yarn.mscale = read.real("rope_scaling.mscale", 0.0, 1e3, 1.0);
  yarn.mscale_all_dim = read.real("rope_scaling.mscale_all_dim", 0.0, 1e3, 0.0);
  yarn.original_max_position_embeddings =
      read.integer("rope_scaling.original_max_position_embeddings", 1, INT32_MAX);
  c.rope_scaling = yarn;
}

void read_experts(Reader& read, ModelConfig& c) {
  c.n_routed_experts = read.integer("n_routed_experts", 1, 65536);
  c.num_experts_per_tok = read.integer("num_experts_per_tok", 1, 1024);
  c.n_shared_experts = read.integer("n_shared_experts", 0, 1024, 0);
  c.moe_intermediate_size = read.integer("moe_intermediate_size", 1, kMaxWidth);
  c.n_group = read.integer("n_group", 1, 65536, 1);
  c.topk_group = read.integer("topk_group", 1, 65536, c.n_group);
  c.norm_topk_prob = read.flag("norm_topk_prob");
  c.routed_scaling_factor = static_cast<float>(read.real("routed_scaling_factor", -1e6, 1e6, 1.0));

  const std::string scoring = read.text("scoring_func", "softmax");
  if (scoring == "sigmoid") {
    c.scoring_func = ScoringFunc::kSigmoid;
  } else if (scoring != "softmax") {
    read.complain("scoring_func", absl::StrCat("found ", scoring, ", wanted softmax or sigmoid"));
  }
  const std::string method = read.text("topk_method", "greedy");
  if (method == "noaux_tc") {
    c.topk_method = TopkMethod::kNoauxTc;
  } else if (method == "group_limited_greedy") {
    c.topk_method = TopkMethod::kGroupLimitedGreedy;
  } else if (method != "greedy") {
    read.complain("topk_method", absl::StrCat("found ", method,
                                              ", wanted noaux_tc, group_limited_greedy or greedy"));
  }
  if (!read.ok()) return;

  if (c.n_routed_experts % c.n_group != 0) {
    read.complain("n_group", absl::StrCat(c.n_group, " groups do not divide ", c.n_routed_experts,
                                          " experts"));
  } else if (c.topk_group > c.n_group) {
    read.complain("topk_group",
                  absl::StrCat("found ", c.topk_group, ", of ", c.n_group, " groups"));
  } else if (c.num_experts_per_tok > c.n_routed_experts / c.n_group * c.topk_group) {
    read.complain(
        "num_experts_per_tok",
        absl::StrCat("found ", c.num_experts_per_tok, ", more than the ", c.topk_group, " kept of ",
                     c.n_group, " groups of ", c.n_routed_experts / c.n_group, " experts hold"));
  }
}

}  // namespace

absl::StatusOr<ModelConfig> read_config(const Checkpoint& checkpoint) {
  Reader read(checkpoint);
  ModelConfig c;
  c.vocab_size = read.integer("vocab_size", 1, kMaxVocabulary);
  c.hidden_size = read.integer("hidden_size", 1, kMaxWidth);
  c.num_hidden_layers = read.integer("num_hidden_layers", 1, 4096);
  c.num_nextn_predict_layers = read.integer("num_nextn_predict_layers", 0, 16, 0);
  c.first_k_dense_replace = read.integer("first_k_dense_replace", 0, 4096, 0);
  c.max_position_embeddings = read.integer("max_position_embeddings", 1, 1 << 30);
  c.rms_norm_eps = static_cast<float>(read.real("rms_norm_eps", 0.0, 1.0, 1e-6));
  c.tie_word_embeddings = read.flag("tie_word_embeddings");
  constexpr absl::string_view kBlock = "quantization_config.weight_block_size.";
  c.weight_block_rows = read.integer(absl::StrCat(kBlock, 0), 1, kMaxWidth, 128);
  c.weight_block_cols = read.integer(absl::StrCat(kBlock, 1), 1, kMaxWidth, 128);
  read_attention(read, c);

  if (c.first_k_dense_replace > 0)
    c.intermediate_size = read.integer("intermediate_size", 1, kMaxWidth);
  const int32_t n_layers = c.num_hidden_layers + c.num_nextn_predict_layers;
  if (c.first_k_dense_replace < n_layers) read_experts(read, c);
  if (!read.ok()) return read.status();
  return c;
}

std::string config_json(const ModelConfig& c) {
  Json out;
  out["vocab_size"] = c.vocab_size;
  out["hidden_size"] = c.hidden_size;
  out["num_hidden_layers"] = c.num_hidden_layers;
  out["num_nextn_predict_layers"] = c.num_nextn_predict_layers;
  out["first_k_dense_replace"] = c.first_k_dense_replace;
  out["intermediate_size"] = c.intermediate_size;
  out["max_position_embeddings"] = c.max_position_embeddings;
  out["rms_norm_eps"] = c.rms_norm_eps;
  out["tie_word_embeddings"] = c.tie_word_embeddings;
  out["num_attention_heads"] = c.num_attention_heads;
  out["q_lora_rank"] = c.q_lora_rank ? Json(*c.q_lora_rank) : Json(nullptr);
  out["kv_lora_rank"] = c.kv_lora_rank;
  out["qk_rope_head_dim"] = c.qk_rope_head_dim;
  out["qk_nope_head_dim"] = c.qk_nope_head_dim;
  out["v_head_dim"] = c.v_head_dim;
  out["rope_theta"] = c.rope_theta;
  out["rope_scaling"] = nullptr;
  if (const auto& yarn = c.rope_scaling) {
    out["rope_scaling"] = {
        {"type", "yarn"},
        {"factor", yarn->factor},
        {"original_max_position_embeddings", yarn->original_max_position_embeddings},
        {"beta_fast", yarn->beta_fast},
        {"beta_slow", yarn->beta_slow},
        {"mscale", yarn->mscale},
        {"mscale_all_dim", yarn->mscale_all_dim}};
  }
  out["n_routed_experts"] = c.n_routed_experts;
  out["num_experts_per_tok"] = c.num_experts_per_tok;
  out["n_shared_experts"] = c.n_shared_experts;
  out["moe_intermediate_size"] = c.moe_intermediate_size;
  out["scoring_func"] = c.scoring_func == ScoringFunc::kSigmoid ? "sigmoid" : "softmax";
  out["topk_method"] = c.topk_method == TopkMethod::kNoauxTc              ? "noaux_tc"
                       : c.topk_method == TopkMethod::kGroupLimitedGreedy ? "group_limited_greedy"
                                                                          : "greedy";
  out["n_group"] = c.n_group;
  out["topk_group"] = c.topk_group;
  out["norm_topk_prob"] = c.norm_topk_prob;
  out["routed_scaling_factor"] = c.routed_scaling_factor;
  return write_json(out);
}

}  // namespace hadal
