// Any text as config.json, and what stands behind a byte 0 as generation_config.json: an error with
// a hint, or a configuration of which every number and word can be asked for.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/checkpoint/hf_config.hpp"

namespace {

template <class T>
void look_at(const absl::StatusOr<T>& found) {
  HADAL_CHECK(found.ok() || !hadal::hint_of(found.status()).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  const auto config =
      hadal::HfConfig::parse(input.substr(0, end), "config.json",
                             input.substr(std::min(end + 1, input.size())), "generation.json");
  if (!config.ok()) {
    HADAL_CHECK(!hadal::hint_of(config.status()).empty());
    const hadal_status code = hadal::code_of(config.status());
    HADAL_CHECK(code == HADAL_E_FORMAT || code == HADAL_E_UNSUPPORTED);
    return 0;
  }
  for (const char* name :
       {"vocab_size", "hidden_size", "num_hidden_layers", "num_nextn_predict_layers", "q_lora_rank",
        "n_group", "topk_group", "first_k_dense_replace", "architectures.0",
        "rope_scaling.original_max_position_embeddings", "quantization_config.weight_block_size.0",
        "quantization_config.weight_block_size.1"}) {
    look_at(config->integer(name));
    (void)config->spelling(name);
  }
  for (const char* name : {"rope_theta", "rope_scaling.beta_fast", "rope_scaling.mscale_all_dim",
                           "routed_scaling_factor", "rms_norm_eps"}) {
    look_at(config->real(name));
  }
  for (const char* name : {"scoring_func", "topk_method", "rope_scaling.type"})
    look_at(config->text(name));
  for (const char* name : {"norm_topk_prob", "tie_word_embeddings"}) look_at(config->flag(name));
  look_at(config->bos_id());
  look_at(config->eos_ids());
  for (const std::string& key : config->keys()) HADAL_CHECK(config->formatted(key).has_value());
  return 0;
}
