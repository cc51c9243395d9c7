// One function per block format: the bytes of one block to its floats. Private to decode_row().
#pragma once

#include <cstdint>

#include "lib/base/float_formats.hpp"

namespace hadal {

using DecodeBlock = void (*)(const uint8_t* block, float* x);

// block_formats_simple.cpp: blocks of 32 to 128 elements.
void decode_q4_0(const uint8_t* block, float* x);
void decode_q4_1(const uint8_t* block, float* x);
void decode_q5_0(const uint8_t* block, float* x);
void decode_q5_1(const uint8_t* block, float* x);
void decode_q8_0(const uint8_t* block, float* x);
void decode_iq4_nl(const uint8_t* block, float* x);
void decode_mxfp4(const uint8_t* block, float* x);
void decode_nvfp4(const uint8_t* block, float* x);
void decode_q1_0(const uint8_t* block, float* x);
void decode_q2_0(const uint8_t* block, float* x);

// block_formats_k.cpp: 256 elements with scales of parts of the block, and the ternary ones.
void decode_q2_k(const uint8_t* block, float* x);
void decode_q3_k(const uint8_t* block, float* x);
void decode_q4_k(const uint8_t* block, float* x);
void decode_q5_k(const uint8_t* block, float* x);
void decode_q6_k(const uint8_t* block, float* x);
void decode_tq1_0(const uint8_t* block, float* x);
void decode_tq2_0(const uint8_t* block, float* x);

// block_formats_iq.cpp: 256 elements out of code books.
void decode_iq2_xxs(const uint8_t* block, float* x);
void decode_iq2_xs(const uint8_t* block, float* x);
void decode_iq2_s(const uint8_t* block, float* x);
void decode_iq3_xxs(const uint8_t* block, float* x);
void decode_iq3_s(const uint8_t* block, float* x);
void decode_iq1_s(const uint8_t* block, float* x);
void decode_iq1_m(const uint8_t* block, float* x);
void decode_iq4_xs(const uint8_t* block, float* x);

// Files are little-endian; blocks begin at any byte.
inline uint16_t load_u16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | (p[1] << 8)); }
inline uint32_t load_u32(const uint8_t* p) {
  return load_u16(p) | (static_cast<uint32_t>(load_u16(p + 2)) << 16);
}
inline float load_f16(const uint8_t* p) { return float_from_f16(load_u16(p)); }

// Nibble 0 is the low one.
inline int nibble(uint8_t byte, int which) { return (byte >> (4 * which)) & 15; }

// The levels of iq4_nl and iq4_xs.
inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

}  // namespace hadal
