#include "tests/model/mtp_sequence.hpp"

#include <gtest/gtest.h>

namespace hadal::test {

MtpResult MtpSequence::run(std::span<const int32_t> tokens, std::span<const int32_t> next) {
  const ModelConfig& config = model_.config();
  Backend& backend = model_.backend();
  const auto n = static_cast<int32_t>(tokens.size());
  HADAL_CHECK(tokens.size() == next.size());
  auto buffers = Buffers::create(backend, config, n, n);
  auto eh_input = backend.allocate(DType::kF32, n, 2 * config.hidden_size, MemoryTag::kScratch);
  HADAL_CHECK(buffers.ok() && eh_input.ok());
  HADAL_CHECK(trunk_cache_.reserve(length_, n).ok() && mtp_cache_.reserve(length_, n).ok());

  Batch batch;
  batch.add(tokens, length_, trunk_cache_);
  const auto views = buffers->views(n, 0, 1, batch.max_pages());
  HADAL_CHECK(views.ok());
  ForwardPass pass(backend, config, model_.weights(), model_.rope(), trunk_cache_.latent_cache(),
                   std::move(batch), *views);
  pass.begin();
  for (int32_t layer = 0; layer < config.num_hidden_layers; ++layer) pass.run_layer(layer);

  // In the buffers of the trunk, as a host short of memory would do it.
  Batch guesses;
  guesses.add(next, length_, mtp_cache_);
  for (int32_t i = 0; i < n; ++i) guesses.want_row(i);
  const auto mtp_views = buffers->views(n, n, 1, guesses.max_pages());
  HADAL_CHECK(mtp_views.ok());
  MtpPass mtp(backend, config, model_.weights(), 0, model_.rope(), mtp_cache_.latent_cache(),
              std::move(guesses), *mtp_views, eh_input->tensor);
  mtp.begin(pass.hidden());
  mtp.run_layer();
  mtp.finish();
  EXPECT_TRUE(backend.wait().ok());

  MtpResult result;
  const auto width = static_cast<size_t>(config.vocab_size);
  const auto k = static_cast<size_t>(config.num_experts_per_tok);
  std::vector<float> logits(tokens.size() * width), weights(tokens.size() * k);
  std::vector<int32_t> experts(tokens.size() * k);
  HADAL_CHECK(backend.read(mtp.buffers().logits, logits.data()).ok());
  HADAL_CHECK(backend.read(mtp.buffers().moe.expert_ids, experts.data()).ok());
  HADAL_CHECK(backend.read(mtp.buffers().moe.expert_weights, weights.data()).ok());
  const auto row_of = [](const auto& all, size_t row, size_t cols) {
    const auto first = all.begin() + static_cast<ptrdiff_t>(row * cols);
    return std::vector(first, first + static_cast<ptrdiff_t>(cols));
  };
  for (size_t row = 0; row < tokens.size(); ++row) {
    result.logits.push_back(row_of(logits, row, width));
    result.experts.push_back(row_of(experts, row, k));
    result.expert_weights.push_back(row_of(weights, row, k));
  }
  length_ += n;
  return result;
}

std::vector<float> MtpSequence::cache_row(int32_t position) const {
  const Tensor& rows = mtp_cache_.pages()[static_cast<size_t>(position / kPageSize)]->rows.tensor;
  const auto* row = reinterpret_cast<const float*>(rows.data + position % kPageSize * rows.cols);
  return {row, row + mtp_cache_.latent_cache().row().dim()};
}

}  // namespace hadal::test
