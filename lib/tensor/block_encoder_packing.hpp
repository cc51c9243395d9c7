// Where levels lie in a block, for several formats. Private to the encoders.
#pragma once

#include <cstdint>

#include "lib/tensor/block_encoder_lanes.hpp"

namespace hadal::encoders {

inline void store(uint16_t bits, uint8_t* to) {
  to[0] = static_cast<uint8_t>(bits & 255);
  to[1] = static_cast<uint8_t>(bits >> 8);
}
inline void store(uint32_t bits, uint8_t* to) {
  to[0] = static_cast<uint8_t>(bits & 255);
  to[1] = static_cast<uint8_t>(bits >> 8 & 255);
  to[2] = static_cast<uint8_t>(bits >> 16 & 255);
  to[3] = static_cast<uint8_t>(bits >> 24);
}

// Bytes of four neighbours in each of four lanes: a lane's in a row, the first in the low bits.
inline Int4 in_a_row(const Int4* bytes) {
  return bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (bytes[3] << 24);
}

// Low nibbles: kHalf elements, high nibbles: those after them.
template <int kHalf>
void pack_nibbles(const uint8_t* levels, uint8_t* to) {
  for (int i = 0; i < kHalf; ++i)
    to[i] = static_cast<uint8_t>((levels[i] & 15) | (levels[kHalf + i] & 15) << 4);
}

// The two low bits of 256 elements: four planes of 32 in every 32 bytes.
inline void pack_two_bits(const uint8_t* levels, uint8_t* to) {
  for (int n = 0; n < 2; ++n)
    for (int i = 0; i < 32; ++i) {
      const uint8_t* q = levels + 128 * n + i;
      to[32 * n + i] =
          static_cast<uint8_t>((q[0] & 3) | (q[32] & 3) << 2 | (q[64] & 3) << 4 | (q[96] & 3) << 6);
    }
}

}  // namespace hadal::encoders
