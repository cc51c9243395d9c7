// Kernels for AVX2 and AVX-VNNI: processors without AVX-512 that have sums of four products of
// bytes, Intel's for desktops since 2021. The vectors are AVX2's; what differs stands there.
#include "backends/cpu/isa/avx2/int8_books.hpp"
#include "backends/cpu/isa/avx2/int8_line.hpp"
// after both:
#include "backends/cpu/isa/int8_products.hpp"
#include "backends/cpu/isa/table.hpp"

namespace hadal::cpu {

const Kernels kAvxVnniKernels = HADAL_KERNELS("avx_vnni", HADAL_INT8_KERNELS, round_to_int8);

}  // namespace hadal::cpu
