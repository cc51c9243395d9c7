// Runs a body for many indices in child processes, so that one crash costs one child and is
// reported with its index instead of ending the test.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace hadal::test {

struct SweepResult {
  std::vector<uint64_t> outcomes;  // of the body, by index; 0 where it crashed or hung
  std::vector<uint64_t> crashed;   // indices
};

// body(i) for i = 0, stride, 2 * stride ... < n. A body that takes longer than 10 seconds hangs.
SweepResult sweep(uint64_t n, uint64_t stride, const std::function<uint64_t(uint64_t)>& body);

// True if the exhaustive form was asked for: tests/sweep.sh, or HADAL_SWEEP=all in the environment.
bool sweeps_all();

}  // namespace hadal::test
