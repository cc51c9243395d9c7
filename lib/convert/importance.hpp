// How much each input of a matrix matters, as a run over a text has measured it: what encoders of
// few bits weigh their errors with.
#pragma once

#include <span>

#include "absl/strings/string_view.h"

namespace hadal {

class Importance {
 public:
  virtual ~Importance() = default;

  // Of a tensor, by its name in GGUF files ("blk.3.ffn_down_exps.weight"): one number per column,
  // or one per column of each slice, slice by slice. None of them negative. Empty where nothing is
  // known. Lives as long as the object. Thread-safe.
  virtual std::span<const float> find(absl::string_view tensor) const = 0;
};

}  // namespace hadal
