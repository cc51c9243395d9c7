// Kernels for 64-bit ARM with products of bytes (FEAT_DotProd): processors since about 2018.
#include "backends/cpu/isa/neon/int8_books.hpp"
#include "backends/cpu/isa/neon/int8_streams.hpp"
// after both:
#include "backends/cpu/isa/int8_products.hpp"
#include "backends/cpu/isa/table.hpp"

namespace hadal::cpu {

const Kernels kNeonKernels = HADAL_KERNELS("neon", HADAL_INT8_KERNELS, round_to_int8);

}  // namespace hadal::cpu
