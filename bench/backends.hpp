// Benchmarks of single steps: on every instruction set of the cpu backend, and on onednn where it
// was built, with one thread and with all. A result is compared with the reference before it is
// timed. Each <op>_bench.cpp says what to register; main() is in backends.cpp.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/backends/workbench.hpp"

namespace hadal::bench {

// Written by each program.
void register_benchmarks();

// Registers `body` under name/cpu_<isa>_<threads>/<arg> for every argument; it finds the argument
// in state.range(0).
using Body = std::function<void(benchmark::State& state, Backend& backend)>;
void on_every_backend(const std::string& name, const std::vector<int64_t>& args, const Body& body);

Backend& reference();

// Compares with the reference: fast and wrong is no result. False, with the reason in `state`.
// `type` is that of the weights: activations may be rounded to 8 bits for those in blocks, and to
// bf16 for those in bf16.
bool is_right(benchmark::State& state, const test::Matrix& actual, const test::Matrix& expected,
              DType type);

// Times run() and wait(). bytes: what must be read per call; flops: what must be computed.
void measure(benchmark::State& state, Backend& backend, double bytes, double flops,
             const std::function<void()>& run);

}  // namespace hadal::bench
