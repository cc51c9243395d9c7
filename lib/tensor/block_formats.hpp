// The plain decoders of every weight type: the definition of what a block means. Each fast kernel
// is compared with them. Layouts and formulas: the block structs of the ggml file format.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/tensor/dtype.hpp"

namespace hadal {

// Decodes n_elements neighbours of a row, a whole number of blocks, to float. Exact where the
// format is: all arithmetic in float, in the order of the format's definition. dtype is a weight
// type, or f8_e8m0. Of f8_e4m3 these are the values of the codes, without the scales of blocks.
// `from` needs no alignment; any bytes are accepted.
void decode_row(DType dtype, const std::byte* from, int64_t n_elements, float* to);

}  // namespace hadal
