// Ten rounds of two multiplications; between them the key grows by a fixed step.
#include "lib/sampling/random.hpp"

namespace hadal {
namespace {

// 53 bits, as many as a double in [0, 1) can hold evenly spaced.
double uniform(uint32_t high, uint32_t low) {
  const uint64_t bits = (uint64_t{high} << 32 | low) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

}  // namespace

std::array<uint32_t, 4> philox4x32_10(std::array<uint32_t, 4> counter,
                                      std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product_0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product_1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product_1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product_1),
               static_cast<uint32_t>(product_0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product_0)};
    key[0] += 0x9E3779B9;  // golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

Uniforms uniforms(uint64_t seed, uint64_t draw) {
  const auto words =
      philox4x32_10({static_cast<uint32_t>(draw), static_cast<uint32_t>(draw >> 32), 0, 0},
                    {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return {uniform(words[0], words[1]), uniform(words[2], words[3])};
}

}  // namespace hadal
