// What this processor can do, asked at run time.
#pragma once

#include <string>
#include <string_view>

#include "backends/cpu/kernels.hpp"
#include "lib/base/status.hpp"

namespace hadal::cpu {

struct Features {
  bool avx2 = false;         // with FMA and F16C
  bool avx512 = false;       // F, BW, DQ, VL and VNNI; and avx2
  bool avx_vnni = false;     // and avx2
  bool avx512_bf16 = false;  // and avx512
  bool amx_bf16 = false;     // tiles, and products of bf16 with them; and avx512_bf16
  bool neon = false;         // of 64-bit ARM, with products of bytes (FEAT_DotProd)
};
Features features_of_this_machine();

// The kernels of an instruction set by name; "auto" for the best of `features`. E_OUT_OF_RANGE for
// a name that means nothing, E_UNSUPPORTED, with what there is, for one that is lacking.
absl::StatusOr<Kernels> kernels_for(std::string_view isa, const Features& features);

// The names that kernels_for() takes besides "auto", slowest first: "scalar, avx2".
std::string available_isas(const Features& features);

}  // namespace hadal::cpu
