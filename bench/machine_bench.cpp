// What the machine can do: the rate at which all threads together read memory, and the rates of its
// vector instructions for multiply-adds in f32 and products in 8 bits. The other benchmarks are
// read as parts of these.
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <numeric>

#include "bench/backends.hpp"
#include "lib/base/thread_pool.hpp"

namespace hadal::bench {
namespace {

constexpr size_t kWords = size_t{64} << 20;  // of 8 bytes: far beyond the caches

void read_memory(benchmark::State& state) {
  const int n_threads = static_cast<int>(state.range(0));
  const std::shared_ptr<Executor> executor = test::must(thread_pool(n_threads - 1));
  const std::vector<uint64_t> words(kWords, 1);
  std::vector<uint64_t> sums(static_cast<size_t>(n_threads));
  for (auto _ : state) {
    executor->parallel_for(sums.size(), [&](size_t i) {
      const uint64_t* from = words.data() + kWords / sums.size() * i;
      uint64_t sum = 0;
      for (size_t w = 0; w < kWords / sums.size(); ++w) sum += from[w];
      sums[i] = sum;
    });
    benchmark::DoNotOptimize(sums.data());
  }
  if (std::accumulate(sums.begin(), sums.end(), uint64_t{0}) != kWords) {
    return state.SkipWithError("wrong sum");
  }
  state.counters["bytes_per_second"] = benchmark::Counter(
      static_cast<double>(kWords * 8), benchmark::Counter::kIsIterationInvariantRate);
}

#ifdef __x86_64__

// Twelve sums at once hide the latency of a multiply-add; the rounds take milliseconds, beside
// which waking a thread is nothing.
constexpr int kSums = 12, kRounds = 1'000'000;

__attribute__((target("avx2,fma"))) float multiply_add_avx2() {
  __m256 sums[kSums];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  const __m256 factor = _mm256_set1_ps(0.5f), term = _mm256_set1_ps(1.0f);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, term);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  return _mm256_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f"))) float multiply_add_avx512() {
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  const __m512 factor = _mm512_set1_ps(0.5f), term = _mm512_set1_ps(1.0f);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_fmadd_ps(sums[i], factor, term);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

// Products in 8 bits, four to a lane: the one instruction of AVX-512 VNNI, and what AVX2 has.
__attribute__((target("avx512f,avx512vnni"))) float dot_products_avx512() {
  __m512i sums[kSums];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  const __m512i w = _mm512_set1_epi8(1), x = _mm512_set1_epi8(1);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], w, x);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  return static_cast<float>(_mm512_cvtsi512_si32(sums[0]));
}

__attribute__((target("avx2"))) float dot_products_avx2() {
  __m256i sums[kSums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i w = _mm256_set1_epi8(1);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) {
      const __m256i twos = _mm256_maddubs_epi16(w, sums[i]);
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(twos, ones));
    }
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  return static_cast<float>(_mm_cvtsi128_si32(_mm256_castsi256_si128(sums[0])));
}

void multiply_add(benchmark::State& state, float (*run)(), int lanes) {
  const int n_threads = static_cast<int>(state.range(0));
  const std::shared_ptr<Executor> executor = test::must(thread_pool(n_threads - 1));
  std::vector<float> results(static_cast<size_t>(n_threads));
  for (auto _ : state) {
    executor->parallel_for(results.size(), [&](size_t i) { results[i] = run(); });
    benchmark::DoNotOptimize(results.data());
  }
  state.counters["flops"] = benchmark::Counter(2.0 * kSums * kRounds * lanes * n_threads,
                                               benchmark::Counter::kIsIterationInvariantRate);
}

#endif

}  // namespace

void register_benchmarks() {
  benchmark::RegisterBenchmark("read_memory", read_memory)
      ->Arg(1)
      ->Arg(available_cores())
      ->UseRealTime();
#ifdef __x86_64__
  const auto add = [](const char* name, float (*run)(), int lanes) {
    benchmark::RegisterBenchmark(name, multiply_add, run, lanes)
        ->Arg(1)
        ->Arg(available_cores())
        ->UseRealTime();
  };
  if (__builtin_cpu_supports("avx2")) add("multiply_add_avx2", multiply_add_avx2, 8);
  if (__builtin_cpu_supports("avx512f")) add("multiply_add_avx512", multiply_add_avx512, 16);
  if (__builtin_cpu_supports("avx2")) add("dot_products_avx2", dot_products_avx2, 32);
  if (__builtin_cpu_supports("avx512vnni")) add("dot_products_avx512", dot_products_avx512, 64);
#endif
}

}  // namespace hadal::bench
