// Which type every tensor of a new GGUF file gets: by the mix, the rules, and what its rows allow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/log.hpp"
#include "lib/base/status.hpp"
#include "lib/convert/conversion_options.hpp"
#include "lib/convert/output_tensor.hpp"

namespace hadal {

struct TypeCounts {
  uint64_t encoded = 0;      // tensors that get another type than they have
  uint64_t substituted = 0;  // of those: another than was asked for, since their rows do not fit
  uint64_t requantised = 0;  // of those: out of a block format, whose loss comes on top
};

// Sets dtype of each, which is that of its source before. `from_gguf`: "keep" then keeps
// everything; out of a directory vectors and the router become f32, as GGUF's readers want them,
// and fp8 bf16. Warns of substitutes and of double losses.
absl::StatusOr<TypeCounts> choose_output_types(const ConversionOptions& options, bool from_gguf,
                                               std::vector<OutputTensor>& tensors, const Log& log);

// Of what may be asked for: E_OUT_OF_RANGE for a word that is no type, no mix and not "keep", and
// for a type that hadal does not write. Mixes are made of types that it does.
absl::Status check_type_word(absl::string_view word);

// The names of the types that hadal writes, for messages: "f32, f16, ...".
std::string writable_types();

// general.file_type for a type or mix; nothing for "keep" and for words without a number.
std::optional<uint32_t> gguf_file_type(absl::string_view type);

}  // namespace hadal
