// Kernels for AVX-512 (F, BW, DQ, VL, VNNI): servers since 2019, Zen 4.
#include "backends/cpu/isa/avx512/int8_books.hpp"
#include "backends/cpu/isa/avx512/int8_line.hpp"
// after both:
#include "backends/cpu/isa/int8_products.hpp"
#include "backends/cpu/isa/table.hpp"

namespace hadal::cpu {

const Kernels kAvx512Kernels = HADAL_KERNELS("avx512", HADAL_INT8_KERNELS, round_to_int8);

}  // namespace hadal::cpu
