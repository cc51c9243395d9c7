// One sequence through the trunk and the MTP layer behind it, everything visible.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/model/mtp.hpp"
#include "tests/model/toys.hpp"

namespace hadal::test {

struct MtpResult {
  std::vector<std::vector<float>> logits;  // of every row: the token after the next
  std::vector<std::vector<int32_t>> experts;
  std::vector<std::vector<float>> expert_weights;
};

class MtpSequence {
 public:
  explicit MtpSequence(Model& model)
      : model_(model),
        trunk_cache_(model.latent_cache(DType::kF32)),
        mtp_cache_(model.mtp_cache(DType::kF32)) {}

  // `tokens` continue the sequence; next[i] is the one that follows tokens[i].
  MtpResult run(std::span<const int32_t> tokens, std::span<const int32_t> next);
  std::vector<float> cache_row(int32_t position) const;  // of the MTP layer
  int32_t length() const { return length_; }

 private:
  Model& model_;
  SessionCache trunk_cache_, mtp_cache_;
  int32_t length_ = 0;
};

}  // namespace hadal::test
