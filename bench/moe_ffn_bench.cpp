// The routed experts at the widths of V2, 6 of 16 experts a row. One row reads six experts and is
// bound by memory; many rows share the experts they have in common.
#include <set>

#include "bench/backends.hpp"

namespace hadal::bench {
namespace {

constexpr int64_t kHidden = 5120, kInner = 1536, kExperts = 16, kTopK = 6;

// The same few rows over and over: to draw all of them takes longer than to multiply them.
test::TestWeight weight(DType dtype, int64_t rows, int64_t cols, uint64_t seed) {
  const test::TestWeight few = test::random_weight(dtype, 1, 61, cols, seed);
  std::vector<std::byte> bytes(static_cast<size_t>(kExperts * rows * row_bytes(dtype, cols)));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = (*few.bytes)[i % few.bytes->size()];
  return test::weight_of(dtype, kExperts, rows, cols, std::move(bytes));
}

void moe_ffn(benchmark::State& state, Backend& backend, DType dtype) {
  const int64_t n_rows = state.range(0);
  const auto gate = weight(dtype, kInner, kHidden, 1);
  const auto up = weight(dtype, kInner, kHidden, 2);
  const auto down = weight(dtype, kHidden, kInner, 3);
  const test::Matrix x = test::random_matrix(n_rows, kHidden, 4);
  const test::Matrix weights = test::random_matrix(n_rows, kTopK, 5);
  test::Ids ids;  // 5 and 16 have no common divisor: no expert twice in a row
  for (int64_t i = 0; i < n_rows * kTopK; ++i)
    ids.push_back(static_cast<int32_t>(i * 5 % kExperts));
  const std::set<int32_t> touched(ids.begin(), ids.end());

  const auto with =
      [&](test::Workbench& bench, int64_t rows,
          const std::function<void(const Tensor&, const std::function<void()>&)>& use) {
        const MoeFfnArgs args = {
            .x = bench.put(x.some_rows(0, rows)),
            .expert_ids = bench.put(test::Ids(ids.begin(), ids.begin() + rows * kTopK), kTopK),
            .expert_weights = bench.put(weights.some_rows(0, rows)),
            .gate_proj = &bench.upload(gate),
            .up_proj = &bench.upload(up),
            .down_proj = &bench.upload(down),
            .out = bench.empty(rows, kHidden)};
        use(args.out, [&] { bench.backend().moe_ffn(args); });
      };

  test::Workbench expected(reference()), bench(backend);
  test::Matrix first;
  with(expected, 1, [&](const Tensor& out, const std::function<void()>& run) {
    run();
    first = expected.get(out);
  });
  with(bench, n_rows, [&](const Tensor& out, const std::function<void()>& run) {
    run();
    if (!is_right(state, bench.get(out).some_rows(0, 1), first, dtype)) return;
    const double bytes =
        static_cast<double>(gate.bytes->size() + up.bytes->size() + down.bytes->size()) *
        static_cast<double>(touched.size()) / kExperts;
    measure(state, backend, bytes, 6.0 * static_cast<double>(n_rows * kTopK * kHidden * kInner),
            run);
  });
}

}  // namespace

void register_benchmarks() {
  for (const DType dtype : {DType::kBF16, DType::kQ8_0, DType::kQ2_K, DType::kQ4_K}) {
    on_every_backend(
        std::string("moe_ffn_") + name(dtype), {1, 8, 64, 512},
        [dtype](benchmark::State& state, Backend& backend) { moe_ffn(state, backend, dtype); });
  }
}

}  // namespace hadal::bench
