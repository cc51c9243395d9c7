// decode_row: plain formats here, packed ones block by block through the table of their decoders.
#include "lib/tensor/block_formats.hpp"

#include <cstring>

#include "lib/base/status.hpp"
#include "lib/tensor/block_decoders.hpp"

namespace hadal {
namespace {

DecodeBlock block_decoder(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0: return decode_q4_0;
    case DType::kQ4_1: return decode_q4_1;
    case DType::kQ5_0: return decode_q5_0;
    case DType::kQ5_1: return decode_q5_1;
    case DType::kQ8_0: return decode_q8_0;
    case DType::kIQ4_NL: return decode_iq4_nl;
    case DType::kMXFP4: return decode_mxfp4;
    case DType::kNVFP4: return decode_nvfp4;
    case DType::kQ1_0: return decode_q1_0;
    case DType::kQ2_0: return decode_q2_0;
    case DType::kQ2_K: return decode_q2_k;
    case DType::kQ3_K: return decode_q3_k;
    case DType::kQ4_K: return decode_q4_k;
    case DType::kQ5_K: return decode_q5_k;
    case DType::kQ6_K: return decode_q6_k;
    case DType::kIQ2_XXS: return decode_iq2_xxs;
    case DType::kIQ2_XS: return decode_iq2_xs;
    case DType::kIQ2_S: return decode_iq2_s;
    case DType::kIQ3_XXS: return decode_iq3_xxs;
    case DType::kIQ3_S: return decode_iq3_s;
    case DType::kIQ1_S: return decode_iq1_s;
    case DType::kIQ1_M: return decode_iq1_m;
    case DType::kIQ4_XS: return decode_iq4_xs;
    case DType::kTQ1_0: return decode_tq1_0;
    case DType::kTQ2_0: return decode_tq2_0;
    default: return nullptr;
  }
}

}  // namespace

void decode_row(DType dtype, const std::byte* from, int64_t n_elements, float* to) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(from);
  switch (dtype) {
    case DType::kF32:
      if (n_elements > 0) std::memcpy(to, bytes, static_cast<size_t>(n_elements) * sizeof(float));
      return;
    case DType::kF16:
      for (int64_t i = 0; i < n_elements; ++i) to[i] = load_f16(bytes + 2 * i);
      return;
    case DType::kBF16:
      for (int64_t i = 0; i < n_elements; ++i) to[i] = float_from_bf16(load_u16(bytes + 2 * i));
      return;
    case DType::kF8_E4M3:
      for (int64_t i = 0; i < n_elements; ++i) to[i] = float_from_e4m3(bytes[i]);
      return;
    case DType::kF8_E8M0:
      for (int64_t i = 0; i < n_elements; ++i) to[i] = float_from_e8m0(bytes[i]);
      return;
    default: break;
  }
  const DecodeBlock decode = block_decoder(dtype);
  HADAL_CHECK(decode != nullptr);
  const DTypeInfo& format = info(dtype);
  HADAL_CHECK(n_elements % format.block_elements == 0);
  for (int64_t i = 0; i < n_elements; i += format.block_elements) {
    decode(bytes, to + i);
    bytes += format.block_bytes;
  }
}

}  // namespace hadal
