// Decode attention over the latent cache, one row, as the context grows.
// With 128 heads each cached value is used 128 times, so this is bound by arithmetic rather than by
// reading the cache, unlike attention with a key and value per head. Both rates are reported.
#include "bench/backends.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal::bench {
namespace {

constexpr int32_t kHeads = 128;
constexpr int64_t kRank = 512, kRope = 64;
constexpr float kScale = 0.1f;

// Queries of one row at the last position of the context.
void attend(test::Workbench& bench, const test::Matrix& cache, const Tensor& q_latent,
            const Tensor& q_pe, const Tensor& out, int32_t n_heads, DType type,
            const std::function<void(const std::function<void()>&)>& with) {
  const int32_t context = static_cast<int32_t>(cache.rows);
  test::Sequences sequences(bench, 1, context, test::cache_row(kRank, kRope, type));
  for (int32_t p = 0; p < context; ++p) sequences.set_row(0, p, cache.row(p));
  const BatchRows rows = sequences.rows({{0, context - 1, 1}}, kRope);
  with([&] {
    bench.backend().mla_attention({.q_latent = q_latent,
                                   .q_pe = q_pe,
                                   .rows = &rows,
                                   .latent_cache = sequences.layer(),
                                   .out = out,
                                   .num_attention_heads = n_heads,
                                   .softmax_scale = kScale});
  });
}

template <DType kType>
void mla_attention(benchmark::State& state, Backend& backend) {
  const int64_t context = state.range(0);
  const test::Matrix cache = test::random_matrix(context, kRank + kRope, 1);
  const test::Matrix q_latent = test::random_matrix(kHeads, kRank, 2);
  const test::Matrix q_pe = test::random_matrix(kHeads, kRope, 3);

  // The reference is too slow for all heads; the last one will do.
  test::Workbench expected(reference());
  const Tensor expected_out = expected.empty(1, kRank);
  attend(expected, cache, expected.put(q_latent.some_rows(kHeads - 1, 1)),
         expected.put(q_pe.some_rows(kHeads - 1, 1)), expected_out, 1, kType,
         [](const std::function<void()>& run) { run(); });

  test::Workbench bench(backend);
  const Tensor out = bench.empty(kHeads, kRank);
  attend(bench, cache, bench.put(q_latent), bench.put(q_pe), out, kHeads, kType,
         [&](const std::function<void()>& run) {
           run();
           const test::Matrix last = bench.get(out).some_rows(kHeads - 1, 1);
           const DType rounded = kType == DType::kF32 ? DType::kF32 : DType::kQ8_0;
           if (!is_right(state, last, expected.get(expected_out), rounded)) return;
           const double positions = static_cast<double>(context);
           measure(
               state, backend,
               positions * static_cast<double>(test::cache_row(kRank, kRope, kType).size_bytes()),
               2.0 * positions * (kRank + kRope + kRank) * kHeads, run);
         });
}

}  // namespace

void register_benchmarks() {
  on_every_backend("mla_attention_f32", {1024, 8192, 65536}, mla_attention<DType::kF32>);
  on_every_backend("mla_attention_bf16", {1024, 8192, 65536}, mla_attention<DType::kBF16>);
  on_every_backend("mla_attention_q8_0", {1024, 8192, 65536}, mla_attention<DType::kQ8_0>);
}

}  // namespace hadal::bench
