// Products with q_a_proj of the 671B model, 1536 outputs of 7168 inputs, for decode (1 row) and
// prefill. Decode reads every weight once and is bound by memory: the weight is there in as many
// copies as no cache holds, and each call takes the next.
#include <cmath>

#include "bench/backends.hpp"

namespace hadal::bench {
namespace {

constexpr int64_t kIn = 7168, kOut = 1536;
constexpr size_t kBeyondCaches = 256u << 20;

void matmul(benchmark::State& state, Backend& backend, DType dtype) {
  const int64_t n_rows = state.range(0);
  const test::Matrix x = test::random_matrix(n_rows, kIn, 1);
  std::vector<test::TestWeight> copies = {test::random_weight(dtype, 1, kOut, kIn, 2)};
  const size_t size_bytes = copies[0].bytes->size();
  while (copies.size() * size_bytes < kBeyondCaches) {
    copies.push_back(test::weight_of(dtype, 1, kOut, kIn, std::vector(*copies[0].bytes)));
  }

  test::Workbench bench(backend);
  std::vector<const Weight*> weights;
  for (const test::TestWeight& copy : copies) weights.push_back(&bench.upload(copy));
  const Tensor in = bench.put(x), out = bench.empty(n_rows, kOut);

  test::Workbench expected(reference());
  const Tensor expected_out = expected.empty(1, kOut);
  reference().matmul(expected.put(x.some_rows(n_rows - 1, 1)), expected.upload(copies[0]),
                     expected_out);
  backend.matmul(in, *weights[0], out);
  if (!is_right(state, bench.get(out).some_rows(n_rows - 1, 1), expected.get(expected_out),
                dtype)) {
    return;
  }

  size_t next = 0;
  measure(state, backend, static_cast<double>(size_bytes),
          2.0 * static_cast<double>(n_rows * kIn * kOut), [&] {
            backend.matmul(in, *weights[next], out);
            next = (next + 1) % weights.size();
          });
}

}  // namespace

void register_benchmarks() {
  for (const DType dtype :
       {DType::kF32,    DType::kBF16,    DType::kF8_E4M3, DType::kQ8_0,   DType::kQ4_0,
        DType::kQ4_1,   DType::kQ5_0,    DType::kQ5_1,    DType::kIQ4_NL, DType::kMXFP4,
        DType::kQ2_K,   DType::kQ3_K,    DType::kQ4_K,    DType::kQ5_K,   DType::kQ6_K,
        DType::kIQ4_XS, DType::kIQ2_XXS, DType::kIQ2_XS,  DType::kIQ2_S,  DType::kIQ3_XXS,
        DType::kIQ3_S,  DType::kIQ1_S,   DType::kIQ1_M,   DType::kTQ1_0,  DType::kTQ2_0,
        DType::kNVFP4}) {
    on_every_backend(
        std::string("matmul_") + name(dtype), {1, 2, 8, 16, 128, 512},
        [dtype](benchmark::State& state, Backend& backend) { matmul(state, backend, dtype); });
  }
}

}  // namespace hadal::bench
