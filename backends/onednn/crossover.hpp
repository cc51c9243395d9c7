// Where oneDNN multiplies faster than hadal's own kernels: the one place that says so.
// `bench/README.md` has the measurements that the numbers come from.
#pragma once

#include <cstdint>
#include <optional>

#include "backends/cpu/cpu_features.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal::onednn {

// Below AVX512_BF16 oneDNN has nothing that hadal's own kernels lack.
inline bool is_of_use(const cpu::Features& machine) { return machine.avx512_bf16; }

// Whether "auto" means this backend: only where the processor has units for matrices that our own
// kernels do not use. Not where a single row would have to take this way too.
inline bool is_first_choice(const cpu::Features& machine) { return machine.amx_bf16; }

// F32 weights with so few outputs are wanted to the last digits, as a router's are, and oneDNN adds
// up a product from its first input to its last, which costs some of long sums.
inline constexpr int64_t kMostRouterOutputs = 1024;

// How many rows of x it takes for weights with so many outputs; nothing if no number does. Fewer
// rows are bound by reading the weights, which our kernels do better: they need not bring them into
// another order first. `is_rounded`: x is rounded to bf16 as well.
inline std::optional<int64_t> least_rows(DType weights, bool is_rounded, int64_t out_features) {
  switch (weights) {
    case DType::kBF16: return is_rounded ? 32 : 16;
    case DType::kF32:
      if (out_features <= kMostRouterOutputs) return std::nullopt;
      return 8;
    default: return std::nullopt;
  }
}

}  // namespace hadal::onednn
