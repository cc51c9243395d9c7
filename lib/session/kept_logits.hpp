// The logits of every token that a request computes, in memory that counts towards the budget.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "lib/base/memory.hpp"
#include "lib/base/mutex.hpp"
#include "lib/base/status.hpp"

namespace hadal {

class KeptLogits {
 public:
  // Room for n tokens, the first at a position of the session. E_BUDGET, E_NO_MEMORY.
  static absl::StatusOr<std::unique_ptr<KeptLogits>> create(Memory& memory, int64_t first_position,
                                                            int64_t n, int64_t vocab_size);

  // After the token at a position. By one thread, in order; a position may come again.
  void put(int64_t position, std::span<const float> logits);

  // Stays as it is, and as long as this object. E_NOT_FOUND for what has not been computed, or was
  // before the request. [any]
  absl::StatusOr<std::span<const float>> at(uint64_t position) const;

 private:
  KeptLogits(Block block, int64_t first_position, int64_t n, int64_t vocab_size)
      : block_(std::move(block)),
        first_position_(first_position),
        n_(n),
        width_(static_cast<size_t>(vocab_size)) {}
  float* row(int64_t i) const { return block_.floats() + static_cast<size_t>(i) * width_; }

  const Block block_;
  const int64_t first_position_, n_;
  const size_t width_;
  mutable Mutex mutex_;
  int64_t n_done_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace hadal
