// The numbers by which GGUF files name tensor types.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/base/status.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

// E_UNSUPPORTED for a type that exists or existed but is not for hadal, E_FORMAT for a number that
// nobody uses. The message names the type and has no file in front.
absl::StatusOr<DType> dtype_of_gguf_type(uint32_t id);

// The number of a type; nothing for one that GGUF files cannot hold.
std::optional<uint32_t> gguf_type_of(DType dtype);

}  // namespace hadal
