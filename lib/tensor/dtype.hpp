// Element and block types. A block type packs a fixed number of neighbouring elements of a row into
// a fixed number of bytes; a plain type is a block of one.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace hadal {

// clang-format off
enum class DType : uint8_t {
  kF32, kF16, kBF16, kI32,
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kIQ4_NL, kMXFP4, kNVFP4, kQ1_0, kQ2_0,
  kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K,
  kIQ2_XXS, kIQ2_XS, kIQ2_S, kIQ3_XXS, kIQ3_S, kIQ1_S, kIQ1_M, kIQ4_XS, kTQ1_0, kTQ2_0,
  kI8, kI16, kI64, kF64,
  kF8_E4M3,  // weights whose blocks have their scales in a tensor of their own
  kF8_E8M0,  // powers of two: such scales
};
inline constexpr int kDTypeCount = static_cast<int>(DType::kF8_E8M0) + 1;
// clang-format on

struct DTypeInfo {
  const char* name;        // as files and people spell it: "q4_k"
  int32_t block_elements;  // 1 for plain types
  int32_t block_bytes;
  bool is_weight;  // decodes to float: may be a matrix of the model
};

const DTypeInfo& info(DType dtype);
inline const char* name(DType dtype) { return info(dtype).name; }
std::optional<DType> dtype_from_name(absl::string_view name);

// Bytes of `n_elements` neighbours, a whole number of blocks.
inline int64_t row_bytes(DType dtype, int64_t n_elements) {
  const DTypeInfo& i = info(dtype);
  return n_elements / i.block_elements * i.block_bytes;
}

}  // namespace hadal
