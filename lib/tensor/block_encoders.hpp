// Encoders of the weight types that hadal writes: the other way round than block_formats.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/tensor/dtype.hpp"

namespace hadal {

// True for the types that encode_row() takes.
bool can_encode(DType dtype);

// Encodes n_elements neighbours of a row, a whole number of blocks. `importance`, one number per
// element and none of them negative, weighs the square of each element's error; null where nothing
// is known of the inputs that the row will be multiplied with. Values that are not finite have no
// encoding in blocks: the caller looks for them beforehand; finite ones beyond a block's reach are
// cut off. The same bytes on every machine. `to` needs no alignment.
void encode_row(DType dtype, const float* from, int64_t n_elements, const float* importance,
                std::byte* to);

}  // namespace hadal
