#include "lib/base/float_formats.hpp"

namespace hadal {

uint16_t f16_from_float(float value) {
  const uint32_t u = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
  const uint32_t magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);  // NaN
  if (magnitude >= 0x477ff000u)
    return static_cast<uint16_t>(sign | 0x7c00u);  // rounds beyond 65504
  if (magnitude < 0x38800000u) {
    // Subnormal in f16: a count of units of 2^-24. In integers, so that no rounding mode matters.
    const uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return sign;  // below half a unit
    const uint32_t shift = 126 - exponent;
    const uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    const uint32_t half = uint32_t{1} << (shift - 1);
    const uint32_t odd = (mantissa >> shift) & 1;
    return static_cast<uint16_t>(sign | ((mantissa + half - 1 + odd) >> shift));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace hadal
