// Attention of a prompt with keys and values expanded: 16 heads at V3's widths, the last 512 rows
// of 512 to 8,192 positions, attn_k_b and attn_v_b in q8_0 as in split files.
#include "bench/backends.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal::bench {
namespace {

constexpr int64_t kHeads = 16, kRows = 512, kRank = 512, kNope = 128, kRope = 64, kV = 128;

// n_rows rows at the end of the context, with queries q.
void attend(test::Workbench& bench, const test::Matrix& cache, const test::Matrix& q,
            const Tensor& out, int64_t n_rows,
            const std::function<void(const std::function<void()>&)>& with) {
  const auto context = static_cast<int32_t>(cache.rows);
  test::Sequences sequences =
      test::Sequences::with(bench, {cache}, test::cache_row(kRank, kRope, DType::kBF16));
  const auto n = static_cast<int32_t>(n_rows);
  const BatchRows rows = sequences.rows({{0, context - n, n}}, kRope);
  const Tensor queries = bench.put(q);
  const Weight& k_b = bench.upload(test::random_weight(DType::kQ8_0, kHeads, kRank, kNope, 4));
  const Weight& v_b = bench.upload(test::random_weight(DType::kQ8_0, kHeads, kV, kRank, 5));
  with([&] {
    bench.backend().mla_attention_expanded({.q = queries,
                                            .k_b_proj = &k_b,
                                            .v_b_proj = &v_b,
                                            .rows = &rows,
                                            .latent_cache = sequences.layer(),
                                            .out = out,
                                            .softmax_scale = 1e-3f});
  });
}

void mla_attention_expanded(benchmark::State& state, Backend& backend) {
  const int64_t context = state.range(0);
  const test::Matrix cache = test::random_matrix(context, kRank + kRope, 1);
  const test::Matrix q = test::random_matrix(kRows * kHeads, kNope + kRope, 2);

  // The reference is too slow for all rows; the last one will do.
  test::Workbench expected(reference());
  const Tensor expected_out = expected.empty(kHeads, kV);
  attend(expected, cache, q.some_rows((kRows - 1) * kHeads, kHeads), expected_out, 1,
         [](const std::function<void()>& run) { run(); });

  test::Workbench bench(backend);
  const Tensor out = bench.empty(kRows * kHeads, kV);
  attend(bench, cache, q, out, kRows, [&](const std::function<void()>& run) {
    run();
    const test::Matrix last = bench.get(out).some_rows((kRows - 1) * kHeads, kHeads);
    if (!is_right(state, last, expected.get(expected_out), DType::kQ8_0)) return;
    const auto positions = static_cast<double>(context);
    const double pairs = static_cast<double>(kRows) * (positions - (kRows - 1) / 2.0);
    measure(state, backend, positions * (kRank + kRope) * sizeof(float),
            2.0 * kHeads * (positions * kRank * (kNope + kV) + pairs * (kNope + kRope + kV)), run);
  });
}

}  // namespace

void register_benchmarks() {
  on_every_backend("mla_attention_expanded", {512, 2048, 8192}, mla_attention_expanded);
}

}  // namespace hadal::bench
