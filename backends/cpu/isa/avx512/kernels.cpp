// Kernels for AVX-512 (F, BW, DQ, VL).
#include "backends/cpu/isa/avx512/vec.hpp"
// after vec.hpp:
#include "backends/cpu/isa/formats.hpp"
#include "backends/cpu/isa/table.hpp"

namespace hadal::cpu {

const Kernels kAvx512Kernels = HADAL_KERNELS("avx512");

}  // namespace hadal::cpu
