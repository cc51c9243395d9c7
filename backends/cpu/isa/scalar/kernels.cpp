// Kernels for every processor: the meaning of the others, and the way out where there is none.
#include "backends/cpu/isa/scalar/vec.hpp"
// after vec.hpp:
#include "backends/cpu/isa/formats.hpp"
#include "backends/cpu/isa/formats_few.hpp"
#include "backends/cpu/isa/formats_iq.hpp"
#include "backends/cpu/isa/table.hpp"

namespace hadal::cpu {

const Kernels kScalarKernels = HADAL_KERNELS("scalar", {}, nullptr);

}  // namespace hadal::cpu
