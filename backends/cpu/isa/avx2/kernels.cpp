// Kernels for AVX2 with FMA and F16C: processors since about 2013.
#include "backends/cpu/isa/avx2/vec.hpp"
// after vec.hpp:
#include "backends/cpu/isa/formats.hpp"
#include "backends/cpu/isa/table.hpp"

namespace hadal::cpu {

const Kernels kAvx2Kernels = HADAL_KERNELS("avx2");

}  // namespace hadal::cpu
