#include "lib/session/kept_logits.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "lib/base/checked.hpp"

namespace hadal {

absl::StatusOr<std::unique_ptr<KeptLogits>> KeptLogits::create(Memory& memory,
                                                               int64_t first_position, int64_t n,
                                                               int64_t vocab_size) {
  const auto size =
      (Checked(static_cast<uint64_t>(n)) * static_cast<uint64_t>(vocab_size) * sizeof(float))
          .at_most(PTRDIFF_MAX);
  absl::StatusOr<Block> block =
      size ? memory.allocate(*size, MemoryTag::kScratch)
           : fail(HADAL_E_NO_MEMORY, "more bytes than there are addresses", kNoHint);
  if (!block.ok()) {
    return fail(code_of(block.status()),
                absl::StrCat("keep_logits of ", n, " tokens: ", message_of(block.status())),
                "Prefill fewer tokens at a time: each takes four bytes for every word of the "
                "vocabulary.");
  }
  return std::unique_ptr<KeptLogits>(
      new KeptLogits(*std::move(block), first_position, n, vocab_size));
}

void KeptLogits::put(int64_t position, std::span<const float> logits) {
  const int64_t i = position - first_position_;
  HADAL_CHECK(i >= 0 && i < n_ && logits.size() == width_);
  const MutexLock lock(&mutex_);
  if (i < n_done_) return;  // the pass was dropped and begun anew; somebody may be reading
  HADAL_CHECK(i == n_done_);
  std::memcpy(row(i), logits.data(), logits.size_bytes());
  ++n_done_;
}

absl::StatusOr<std::span<const float>> KeptLogits::at(uint64_t position) const {
  const MutexLock lock(&mutex_);
  const auto first = static_cast<uint64_t>(first_position_), n = static_cast<uint64_t>(n_done_);
  if (position < first || position - first >= n) {
    return fail(
        HADAL_E_NOT_FOUND,
        absl::StrCat("no logits after position ", position, ": the request has kept those of ", n,
                     " tokens from position ", first, " on"),
        "Ask for a position that the request has computed; what the session had computed "
        "before is not computed again.");
  }
  return std::span<const float>(row(static_cast<int64_t>(position - first)), width_);
}

}  // namespace hadal
