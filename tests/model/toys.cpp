#include "tests/model/toys.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace hadal::test {

std::vector<Toy> all_toys() {
  return {
      {"v3/v3-f32.gguf", "v3/golden.json"},
      {"v3/v3-joint-f32.gguf", "v3/golden.json"},
      {"v3/v3-joint-nogroup-f32.gguf", "v3/golden-no-group-keys.json"},
      {"v3/v3-mtp-f32.gguf", "v3/golden.json"},
      {"v3/v3-bf16.gguf", "v3/golden.json"},
      {"v3/v3-bf16-shards-00001-of-00003.gguf", "v3/golden.json"},
      {"v3-negbias/v3-negbias-f32.gguf", "v3-negbias/golden.json"},
      {"v3-fp8/v3-fp8-f32.gguf", "v3-fp8/golden.json"},
      {"v31-fp8/v31-fp8-f32.gguf", "v31-fp8/golden.json"},
      {"v2/v2-f32.gguf", "v2/golden.json"},
      {"v2-lite/v2-lite-f32.gguf", "v2-lite/golden.json"},
      {"v2-lite/v2-lite-joint-f32.gguf", "v2-lite/golden.json"},
      {"moonlight/moonlight-f32.gguf", "moonlight/golden.json"},
      {"kimi-k2/kimi-k2-f32.gguf", "kimi-k2/golden.json"},
      {"gigachat3/gigachat3-f32.gguf", "gigachat3/golden.json"},
      {"yarn-odd/yarn-odd-f32.gguf", "yarn-odd/golden-gguf.json"},
      // Directories in Hugging Face's layout, in bf16 or fp8.
      {"v3", "v3/golden.json"},
      {"v3-negbias", "v3-negbias/golden.json"},
      {"v3-fp8", "v3-fp8/golden.json"},
      {"v31-fp8", "v31-fp8/golden.json"},
      {"v2", "v2/golden.json"},
      {"v2-lite", "v2-lite/golden.json"},
      {"moonlight", "moonlight/golden.json"},
      {"kimi-k2", "kimi-k2/golden.json"},
      {"gigachat3", "gigachat3/golden.json"},
      {"yarn-odd", "yarn-odd/golden.json"},
  };
}

Json read_golden(const std::string& path) {
  std::ifstream file(HADAL_TEST_DATA "/golden/" + path);
  std::stringstream text;
  text << file.rdbuf();
  const auto json = parse_json(text.str(), path);
  if (!json.ok()) {
    ADD_FAILURE() << message_of(json.status());
    return {};
  }
  return *json;
}

std::shared_ptr<Model> load(const std::string& path, const ModelOptions& options, int n_workers) {
  ModelLoader loader({system_files(), Memory::create(nullptr, 0), *thread_pool(n_workers),
                      std::make_shared<Log>()},
                     path, options);
  while (!loader.done()) {
    const absl::Status status = loader.step();
    if (!status.ok()) {
      ADD_FAILURE() << message_of(status);
      return nullptr;
    }
  }
  return loader.take();
}

Sequence::Sequence(Model& model) : model_(model), cache_(model.latent_cache(DType::kF32)) {}

PassResult Sequence::run(std::span<const int32_t> tokens) {
  const ModelConfig& config = model_.config();
  const auto n = static_cast<int32_t>(tokens.size());
  PassResult result;
  auto buffers = Buffers::create(model_.backend(), config, n, n);
  HADAL_CHECK(buffers.ok());
  HADAL_CHECK(cache_.reserve(length_, n).ok());
  Batch batch;
  batch.add(tokens, length_, cache_);
  for (int32_t i = 0; i < n; ++i) batch.want_row(i);
  const auto views = buffers->views(n, n, 1, batch.max_pages());
  HADAL_CHECK(views.ok());

  ForwardPass pass(model_.backend(), config, model_.weights(), model_.rope(), cache_.latent_cache(),
                   std::move(batch), *views);
  pass.begin();
  for (int32_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    pass.run_layer(layer);
    result.routing.emplace_back();
    if (!config.is_moe_layer(layer)) continue;
    const auto k = static_cast<size_t>(config.num_experts_per_tok);
    std::vector<int32_t> ids(tokens.size() * k);
    std::vector<float> weights(tokens.size() * k);
    HADAL_CHECK(model_.backend().read(views->moe.expert_ids, ids.data()).ok());
    HADAL_CHECK(model_.backend().read(views->moe.expert_weights, weights.data()).ok());
    for (size_t row = 0; row < tokens.size(); ++row) {
      const auto first = static_cast<ptrdiff_t>(row * k), last = first + static_cast<ptrdiff_t>(k);
      result.routing.back().push_back({{ids.begin() + first, ids.begin() + last},
                                       {weights.begin() + first, weights.begin() + last}});
    }
  }
  pass.finish();
  EXPECT_TRUE(model_.backend().wait().ok());
  const auto width = static_cast<size_t>(config.vocab_size);
  std::vector<float> all(tokens.size() * width);
  HADAL_CHECK(model_.backend().read(views->logits, all.data()).ok());
  for (size_t row = 0; row < tokens.size(); ++row) {
    const auto first = all.begin() + static_cast<ptrdiff_t>(row * width);
    result.logits.emplace_back(first, first + static_cast<ptrdiff_t>(width));
  }
  length_ += n;
  return result;
}

std::vector<float> Sequence::cache_row(int32_t layer, int32_t position) {
  const CachePage& page = *cache_.pages()[static_cast<size_t>(position / kPageSize)];
  const Tensor& rows = page.rows.tensor;
  const auto* row = reinterpret_cast<const float*>(
      rows.data + (layer * kPageSize + position % kPageSize) * rows.cols);
  return {row, row + cache_.latent_cache().row().dim()};
}

int32_t argmax(std::span<const float> values) {
  return static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace hadal::test
