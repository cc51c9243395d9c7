// Mirrors backends/*/latent_append.
#include <cmath>

#include "tests/backends/backend_test.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::Span;

class LatentAppendTest : public test::BackendTest {
 protected:
  // Appends the rows of kv_a at the places of `spans`.
  static void append(test::Workbench& bench, test::Sequences& sequences, const Matrix& kv_a,
                     const Matrix& gain, const std::vector<Span>& spans, float eps = 1e-6f) {
    const BatchRows rows = sequences.rows(spans, kv_a.cols - gain.cols);
    const Weight& weight = bench.upload(test::f32_weight(1, gain));
    bench.backend().latent_append({.kv_a = bench.put(kv_a),
                                   .gain = &weight,
                                   .rows = &rows,
                                   .latent_cache = sequences.layer(),
                                   .kv_lora_rank = static_cast<int32_t>(gain.cols),
                                   .rms_norm_eps = eps});
    test::must(bench.backend().wait());
  }

  // The cache row that one row of kv_a should leave at a position.
  static Matrix formula(const Matrix& kv_a, const Matrix& gain, int32_t position, double eps) {
    Matrix out = kv_a;
    double squares = 0.0;
    for (int64_t c = 0; c < gain.cols; ++c) {
      squares += std::pow(static_cast<double>(kv_a.values[static_cast<size_t>(c)]), 2);
    }
    const double rms = std::sqrt(squares / static_cast<double>(gain.cols) + eps);
    for (int64_t c = 0; c < gain.cols; ++c) {
      out.row(0)[c] = static_cast<float>(static_cast<double>(kv_a.row(0)[c]) / rms *
                                         static_cast<double>(gain.row(0)[c]));
    }
    const int64_t n_rope = kv_a.cols - gain.cols;
    const test::Floats cos_sin = test::cos_sin_of(position, n_rope);
    for (int64_t c = 0; c < n_rope; c += 2) {
      const float* x = kv_a.row(0) + gain.cols + c;
      const float cos = cos_sin[static_cast<size_t>(c)], sin = cos_sin[static_cast<size_t>(c + 1)];
      out.row(0)[gain.cols + c] = x[0] * cos - x[1] * sin;
      out.row(0)[gain.cols + c + 1] = x[0] * sin + x[1] * cos;
    }
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, LatentAppendTest, test::every_backend(), test::backend_name);

// A14: the norm covers the latent and not the rotary key; what is kept is normalised and rotated.
TEST_P(LatentAppendTest, NormalisesTheLatentAndTurnsTheRotaryKey) {
  test::Workbench bench(backend());
  test::Sequences sequences(bench, 1, 64, test::cache_row(2, 2));
  append(bench, sequences, test::matrix(4, {1, 7, 100, 0}), test::matrix(2, {1, 10}), {{0, 2, 1}},
         0.0f);
  const Matrix row = sequences.row(0, 2);
  EXPECT_NEAR(row.values[0], 0.2, 1e-7);
  EXPECT_NEAR(row.values[1], 14.0, 1e-5);
  EXPECT_NEAR(row.values[2], 100.0 * std::cos(2.0), 1e-4);
  EXPECT_NEAR(row.values[3], 100.0 * std::sin(2.0), 1e-4);
}

TEST_P(LatentAppendTest, EveryRowGoesToItsPlaceAndNowhereElse) {
  test::Workbench bench(backend());
  test::Sequences sequences(bench, 3, 200, test::cache_row(16, 8), /*n_layers=*/3);
  const Matrix kv_a = test::random_matrix(72, 24, 1), gain = test::random_matrix(1, 16, 2);
  const std::vector<Span> spans = {{2, 60, 70}, {0, 0, 1}, {1, 199, 1}};
  append(bench, sequences, kv_a, gain, spans);
  int64_t r = 0;
  for (const Span& span : spans) {
    for (int32_t p = span.first; p < span.first + span.n; ++p, ++r) {
      EXPECT_TRUE(is_near(sequences.row(span.session, p),
                          formula(kv_a.some_rows(r, 1), gain, p, 1e-6), test::kNormTolerance));
    }
  }
  EXPECT_EQ(sequences.count_rows_with_values(), 72);
}

TEST_P(LatentAppendTest, AgreesWithTheFormulaAtTheShapeOfTheFamily) {
  test::Workbench bench(backend());
  test::Sequences sequences(bench, 1, 5064, test::cache_row(512, 64));
  const Matrix kv_a = test::random_matrix(3, 576, 1, 30.0f), gain = test::random_matrix(1, 512, 2);
  append(bench, sequences, kv_a, gain, {{0, 4999, 3}});
  for (int32_t r = 0; r < 3; ++r) {
    EXPECT_TRUE(is_near(sequences.row(0, 4999 + r),
                        formula(kv_a.some_rows(r, 1), gain, 4999 + r, 1e-6), test::kNormTolerance));
  }
}

TEST_P(LatentAppendTest, RoundsToTheTypeOfTheCache) {
  const Matrix kv_a = test::random_matrix(3, 576, 1, 30.0f), gain = test::random_matrix(1, 512, 2);
  for (const DType type : {DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ5_0}) {
    SCOPED_TRACE(name(type));
    test::Workbench bench(backend());
    const CacheRow row = test::cache_row(512, 64, type);
    test::Sequences sequences(bench, 1, 128, row, /*n_layers=*/2);
    append(bench, sequences, kv_a, gain, {{0, 62, 3}});
    EXPECT_EQ(sequences.count_rows_with_values(), 3);
    for (int32_t r = 0; r < 3; ++r) {
      // Where a value lies between two of the type, either is right; and of 5 bits the scale is
      // looked for.
      const Matrix kept = test::as_cached(row, formula(kv_a.some_rows(r, 1), gain, 62 + r, 1e-6));
      EXPECT_TRUE(
          is_near(sequences.row(0, 62 + r), kept,
                  type == DType::kQ5_0 ? test::Tolerance{0.3, 0.02} : test::Tolerance{0.02, 1e-3}));
    }
  }
}

// D1, P9, A16: appended in chunks of any size, the cache holds the same bits.
TEST_P(LatentAppendTest, ARowHasTheSameBitsInEveryBatch) {
  const Matrix kv_a = test::random_matrix(66, 576, 1), gain = test::random_matrix(1, 512, 2);
  test::Workbench bench(backend());
  test::Sequences whole(bench, 1, 66, test::cache_row(512, 64));
  append(bench, whole, kv_a, gain, {{0, 0, 66}});
  for (const int32_t chunk : {1, 2, 3, 63, 64, 65}) {
    SCOPED_TRACE(chunk);
    test::Sequences parts(bench, 1, 66, test::cache_row(512, 64));
    for (int32_t p = 0; p < 66; p += chunk) {
      const int32_t n = std::min(chunk, 66 - p);
      append(bench, parts, kv_a.some_rows(p, n), gain, {{0, p, n}});
    }
    for (int32_t p = 0; p < 66; ++p) EXPECT_TRUE(is_same(parts.row(0, p), whole.row(0, p)));
  }
}

}  // namespace
}  // namespace hadal
