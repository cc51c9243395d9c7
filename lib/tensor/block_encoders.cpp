#include "lib/tensor/block_encoders.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "lib/base/float_formats.hpp"
#include "lib/base/status.hpp"

namespace hadal {
namespace {

void store(uint16_t bits, std::byte* to) { std::memcpy(to, &bits, sizeof bits); }

// The largest magnitude becomes 127.
void encode_q8_0(const float* x, std::byte* block) {
  float largest = 0.0f;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127.0f;
  const float inverse = d == 0.0f ? 0.0f : 1.0f / d;
  store(f16_from_float(d), block);
  for (int i = 0; i < 32; ++i)
    block[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::lround(x[i] * inverse)));
}

}  // namespace

bool can_encode(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ8_0: return true;
    default: return false;
  }
}

void encode_row(DType dtype, const float* from, int64_t n_elements, const float* importance,
                std::byte* to) {
  HADAL_CHECK(can_encode(dtype) && n_elements % info(dtype).block_elements == 0);
  static_cast<void>(importance);
  switch (dtype) {
    case DType::kF32: std::memcpy(to, from, static_cast<size_t>(n_elements) * sizeof(float)); break;
    case DType::kF16:
      for (int64_t i = 0; i < n_elements; ++i) store(f16_from_float(from[i]), to + 2 * i);
      break;
    case DType::kBF16:
      for (int64_t i = 0; i < n_elements; ++i) store(bf16_from_float(from[i]), to + 2 * i);
      break;
    default:  // q8_0
      for (int64_t i = 0; i < n_elements; i += 32) encode_q8_0(from + i, to + i / 32 * 34);
  }
}

}  // namespace hadal
