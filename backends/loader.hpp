// Which backends there are, and the one that a name means here.
#pragma once

#include <memory>
#include <string>

#include "backends/backend.hpp"
#include "lib/base/thread_pool.hpp"

namespace hadal {

struct BackendOptions {
  std::string name = "auto";  // the fastest there is: cpu
  // For the cpu backend: an instruction set ("scalar", "avx2", "avx512"), or the best of this
  // machine; whether rows that are multiplied with block formats are rounded to 8 bits ("int8") or
  // not ("f32"); and whether a row must have the same bits in whatever batch it comes.
  std::string isa = "auto";
  std::string activations = "int8";
  bool batch_invariant = true;
};

// E_OUT_OF_RANGE for a name that means nothing, with a list of those that do.
absl::StatusOr<std::unique_ptr<Backend>> make_backend(const BackendOptions& options,
                                                      std::shared_ptr<Memory> memory,
                                                      std::shared_ptr<Executor> executor);

}  // namespace hadal
