// One function per block format, or two: the floats of one row, a whole number of blocks, to bytes.
// Private to encode_row().
#pragma once

#include <cstdint>

namespace hadal::encoders {

using EncodeRow = void (*)(const float* x, int64_t n_elements, const float* importance,
                           uint8_t* blocks);

// block_encoders_simple.cpp: 32 elements with one scale.
void encode_q8_0(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_q4_0(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_q4_1(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_q5_0(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_q5_1(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_iq4_nl(const float* x, int64_t n, const float* importance, uint8_t* blocks);

// block_encoders_signed.cpp: 256 elements, levels on both sides of zero.
void encode_q3_k(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_q6_k(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_iq4_xs(const float* x, int64_t n, const float* importance, uint8_t* blocks);

// block_encoders_affine.cpp: 256 elements, scales and minima.
void encode_q2_k(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_q4_k(const float* x, int64_t n, const float* importance, uint8_t* blocks);
void encode_q5_k(const float* x, int64_t n, const float* importance, uint8_t* blocks);

}  // namespace hadal::encoders
