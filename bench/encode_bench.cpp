// Time of encoding rows of weights, every type, without and with importance, on one thread:
// bytes_per_second counts the floats that are read. Rows that come back worse than their bits allow
// are not timed.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>
#include <vector>

#include "lib/tensor/block_encoders.hpp"
#include "lib/tensor/block_formats.hpp"
#include "tests/tensor/encoder_rows.hpp"

namespace hadal {
namespace {

constexpr size_t kRows = 32;

void encode(benchmark::State& state, DType dtype, bool with_importance) {
  std::vector<float> rows;
  for (uint64_t r = 0; r < kRows; ++r) {
    const auto row = test::random_row(test::Shape::kGaussian, r);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  const auto importance = test::random_importance(1);
  const auto bytes = static_cast<size_t>(row_bytes(dtype, test::kWidth));
  std::vector<std::byte> encoded(kRows * bytes);
  for (auto _ : state) {
    for (size_t r = 0; r < kRows; ++r)
      encode_row(dtype, rows.data() + r * test::kWidth, test::kWidth,
                 with_importance ? importance.data() : nullptr, encoded.data() + r * bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(rows.size() * sizeof(float)));

  std::vector<float> decoded(rows.size());
  decode_row(dtype, encoded.data(), static_cast<int64_t>(rows.size()), decoded.data());
  // Of plain types the bits of a fraction, roughly.
  const double bits = info(dtype).block_elements == 1
                          ? 8.0
                          : 8.0 * info(dtype).block_bytes / info(dtype).block_elements;
  const std::vector<float> zeros(rows.size(), 0.0f),
      weights = with_importance ? importance : std::vector<float>();
  if (test::squared_error(rows, decoded, weights) >
      6.0 * std::pow(4.0, -bits) * test::squared_error(rows, zeros, weights))
    state.SkipWithError("the rows do not come back");
}

const bool kRegistered = [] {
  for (int t = 0; t < kDTypeCount; ++t) {
    const auto dtype = static_cast<DType>(t);
    if (!can_encode(dtype)) continue;
    for (const bool with_importance : {false, true})
      benchmark::RegisterBenchmark(
          (std::string("encode_") + name(dtype) + (with_importance ? "/importance" : "")).c_str(),
          encode, dtype, with_importance);
  }
  return true;
}();

}  // namespace
}  // namespace hadal

BENCHMARK_MAIN();
