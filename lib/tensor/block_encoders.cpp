// encode_row: plain types here, packed ones through the table of their encoders.
#include "lib/tensor/block_encoders.hpp"

#include <cstring>

#include "lib/base/float_formats.hpp"
#include "lib/base/status.hpp"
#include "lib/tensor/block_encoder_parts.hpp"

namespace hadal {
namespace {

void store(uint16_t bits, std::byte* to) { std::memcpy(to, &bits, sizeof bits); }

encoders::EncodeRow block_encoder(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0: return encoders::encode_q4_0;
    case DType::kQ4_1: return encoders::encode_q4_1;
    case DType::kQ5_0: return encoders::encode_q5_0;
    case DType::kQ5_1: return encoders::encode_q5_1;
    case DType::kQ8_0: return encoders::encode_q8_0;
    case DType::kIQ4_NL: return encoders::encode_iq4_nl;
    case DType::kQ2_K: return encoders::encode_q2_k;
    case DType::kQ3_K: return encoders::encode_q3_k;
    case DType::kQ4_K: return encoders::encode_q4_k;
    case DType::kQ5_K: return encoders::encode_q5_k;
    case DType::kQ6_K: return encoders::encode_q6_k;
    case DType::kIQ4_XS: return encoders::encode_iq4_xs;
    default: return nullptr;
  }
}

bool is_plain(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

}  // namespace

bool can_encode(DType dtype) { return is_plain(dtype) || block_encoder(dtype) != nullptr; }

void encode_row(DType dtype, const float* from, int64_t n_elements, const float* importance,
                std::byte* to) {
  HADAL_CHECK(can_encode(dtype) && n_elements % info(dtype).block_elements == 0);
  switch (dtype) {
    case DType::kF32:
      if (n_elements > 0) std::memcpy(to, from, static_cast<size_t>(n_elements) * sizeof(float));
      break;
    case DType::kF16:
      for (int64_t i = 0; i < n_elements; ++i) store(f16_from_float(from[i]), to + 2 * i);
      break;
    case DType::kBF16:
      for (int64_t i = 0; i < n_elements; ++i) store(bf16_from_float(from[i]), to + 2 * i);
      break;
    default: block_encoder(dtype)(from, n_elements, importance, reinterpret_cast<uint8_t*>(to));
  }
}

}  // namespace hadal
