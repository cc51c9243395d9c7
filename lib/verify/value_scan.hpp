// One pass over all bytes of a checkpoint, in the order of its files: every number that a weight
// decodes to is finite, and no tensor is nothing but zeros.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/base/memory.hpp"
#include "lib/base/thread_pool.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/verify/finding.hpp"

namespace hadal {

class ValueScan {
 public:
  // Most bytes in memory at a time, as the file has them; each thread decodes a little more.
  static constexpr uint64_t kPieceBytes = uint64_t{8} << 20;

  explicit ValueScan(const Checkpoint& checkpoint);

  bool done() const { return next_ == entries_.size(); }
  uint64_t bytes_done() const { return bytes_done_; }
  uint64_t bytes_total() const { return bytes_total_; }

  // Reads and decodes one piece. Fails where there is no memory; what cannot be read is a finding.
  absl::Status step(Memory& memory, Executor& executor, Findings& findings);

 private:
  void look_at(const std::byte* bytes, uint64_t n_bytes, Executor& executor);
  void finish_tensor(Findings& findings);

  const Checkpoint& checkpoint_;
  std::vector<const TensorEntry*> entries_;  // in the order of the files
  size_t next_ = 0;
  uint64_t bytes_done_ = 0, bytes_total_ = 0;
  uint64_t largest_ = 0;  // tensor
  Block piece_;

  // Of the tensor under way.
  uint64_t at_ = 0;
  uint64_t n_bad_ = 0, first_bad_ = UINT64_MAX;
  float bad_value_ = 0.0f;
  bool has_nonzero_ = false;
};

}  // namespace hadal
