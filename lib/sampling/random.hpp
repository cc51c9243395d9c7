// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers, as easy as 1, 2, 3; 2011):
// random numbers as a pure function of a key and a counter, the same on every machine.
#pragma once

#include <array>
#include <cstdint>

namespace hadal {

std::array<uint32_t, 4> philox4x32_10(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// What one draw of a sampler may use: two independent numbers, uniform in [0, 1).
struct Uniforms {
  double token;  // chooses the token
  double xtc;    // decides whether XTC acts
};
Uniforms uniforms(uint64_t seed, uint64_t draw);

}  // namespace hadal
