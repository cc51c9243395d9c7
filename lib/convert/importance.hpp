// How much each input of a matrix matters, as a run over a text has measured it: what encoders of
// few bits weigh their errors with.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace hadal {

// Where it comes from, for the metadata of what is made with it; 0 and empty are not known.
struct ImportanceSource {
  std::string file, dataset;
  int32_t n_entries = 0, n_chunks = 0;
};

class Importance {
 public:
  virtual ~Importance() = default;
  virtual ImportanceSource source() const { return {}; }

  // Of a tensor, by its name in GGUF files ("blk.3.ffn_down_exps.weight"): one number per column,
  // or one per column of each slice, slice by slice. None of them negative. Empty where nothing is
  // known. Lives as long as the object. Thread-safe.
  virtual std::span<const float> find(absl::string_view tensor) const = 0;
};

}  // namespace hadal
