// What this processor can do, asked at run time.
#pragma once

#include <string>
#include <string_view>

#include "backends/cpu/kernels.hpp"
#include "lib/base/status.hpp"

namespace hadal::cpu {

// The kernels of an instruction set by name; "auto" for the best this machine has. E_OUT_OF_RANGE
// for a name that means nothing, E_UNSUPPORTED, with what there is, for one this machine lacks.
absl::StatusOr<const Kernels*> kernels_for(std::string_view isa);

// The instruction sets that kernels_for() takes on this machine, slowest first: "scalar, avx2".
std::string available_isas();

}  // namespace hadal::cpu
