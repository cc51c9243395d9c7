// Kernels for AVX2 with FMA and F16C: processors since about 2013.
#include "backends/cpu/isa/avx2/int8_books.hpp"
#include "backends/cpu/isa/avx2/int8_line.hpp"
// after both:
#include "backends/cpu/isa/int8_products.hpp"
#include "backends/cpu/isa/table.hpp"

namespace hadal::cpu {

const Kernels kAvx2Kernels = HADAL_KERNELS("avx2", HADAL_INT8_KERNELS, round_to_int8);

}  // namespace hadal::cpu
