// See backends.hpp.
#include "bench/backends.hpp"

#include <cmath>
#include <cstdio>
#include <memory>

#include "backends/loader.hpp"

namespace hadal::bench {

Backend& reference() {
  static const std::unique_ptr<Backend> backend =
      test::must(make_backend({"reference"}, Memory::create(nullptr, 0), caller_only()));
  return *backend;
}

void on_every_backend(const std::string& name, const std::vector<int64_t>& args, const Body& body) {
  std::vector<int> thread_counts = {1};
  if (available_cores() > 1) thread_counts.push_back(available_cores());
  for (const std::string isa : {"scalar", "avx2", "avx_vnni", "avx512", "amx", "neon", "onednn"}) {
    for (const int n_threads : thread_counts) {
      const auto make = [isa, n_threads] {
        std::shared_ptr<Executor> executor =
            n_threads == 1 ? caller_only() : test::must(thread_pool(n_threads - 1));
        BackendOptions options{"cpu", isa};
#ifdef HADAL_BENCH_MODULES
        if (isa == "onednn") options = {"onednn", "auto"};
        options.module_path = HADAL_BENCH_MODULES;
#endif
        options.batch_invariant = false;  // as by default
        return make_backend(options, Memory::create(nullptr, 0), executor);
      };
      if (!make().ok()) continue;  // not on this machine
      benchmark::RegisterBenchmark((name + "/" + isa + "_" + std::to_string(n_threads)).c_str(),
                                   [make, body](benchmark::State& state) {
                                     const std::unique_ptr<Backend> backend = test::must(make());
                                     body(state, *backend);
                                   })
          ->ArgsProduct({args})
          ->UseRealTime();
    }
  }
}

bool is_right(benchmark::State& state, const test::Matrix& actual, const test::Matrix& expected,
              DType type) {
  double squares = 0.0, largest = 0.0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double e = static_cast<double>(expected.values[i]);
    const double difference = std::abs(static_cast<double>(actual.values[i]) - e);
    if (!(difference <= largest)) largest = difference;
    squares += e * e;
  }
  const double size = std::sqrt(squares / static_cast<double>(expected.values.size()));
  const bool may_be_bf16 = type == DType::kBF16 || type == DType::kF8_E4M3;
  const double allowed = info(type).block_elements > 1 ? 0.1 : may_be_bf16 ? 0.02 : 1e-4;
  if (largest <= allowed * size) return true;
  const std::string reason = "wrong by " + std::to_string(largest / size) + " of the result";
  state.SkipWithError(reason.c_str());
  return false;
}

void measure(benchmark::State& state, Backend& backend, double bytes, double flops,
             const std::function<void()>& run) {
  for (auto _ : state) {
    run();
    const absl::Status status = backend.wait();
    if (!status.ok()) return state.SkipWithError(message_of(status).c_str());
  }
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["bytes_per_second"] = benchmark::Counter(bytes, rate);
  state.counters["flops"] = benchmark::Counter(flops, rate);
}

}  // namespace hadal::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  try {
    hadal::bench::register_benchmarks();
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
