// Mirrors backends/*/mla_attention.
#include <cmath>
#include <limits>
#include <tuple>

#include "tests/backends/backend_test.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::Span;

// Sessions whose cache is full of random rows, and the queries of a batch over them.
struct Attention {
  int32_t n_heads = 1;
  int64_t rank = 512, n_rope = 64;
  std::vector<Matrix> cache;  // per session: a row per position
  Matrix q_latent, q_pe;      // of all rows of a batch
  float softmax_scale = 0.1f;
  DType latent = DType::kF32;  // of the cache
  std::vector<Matrix> given;   // the cache before it was rounded to that, where it was

  // Random rows of unit size: scores have a deviation of about 2 then.
  static Attention random(int32_t n_heads, int64_t rank, int64_t n_rope,
                          const std::vector<int32_t>& lengths, int64_t n_rows) {
    Attention a;
    a.n_heads = n_heads;
    a.rank = rank;
    a.n_rope = n_rope;
    a.softmax_scale = 2.0f / std::sqrt(static_cast<float>(rank + n_rope));
    for (size_t s = 0; s < lengths.size(); ++s) {
      a.cache.push_back(test::random_matrix(lengths[s], rank + n_rope, 10 + s));
    }
    a.q_latent = test::random_matrix(n_rows * n_heads, rank, 1);
    a.q_pe = test::random_matrix(n_rows * n_heads, n_rope, 2);
    return a;
  }

  // The same with a cache in another type, and the values that they are then.
  Attention cached_as(DType type) const {
    Attention a = *this;
    a.latent = type;
    a.given = cache;
    for (Matrix& c : a.cache) c = test::as_cached(test::cache_row(rank, n_rope, type), c);
    return a;
  }

  // Rows first_row to first_row + n of the batch, which are those of `spans`.
  Matrix run(Backend& backend, const std::vector<Span>& spans, int64_t first_row = 0) const {
    test::Workbench bench(backend);
    test::Sequences sequences =
        test::Sequences::with(bench, given.empty() ? cache : given,
                              test::cache_row(rank, n_rope, latent), /*n_layers=*/2);
    const BatchRows rows = sequences.rows(spans, n_rope);
    const int64_t n = rows.n_rows() * n_heads;
    const Tensor out = bench.empty(n, rank);
    backend.mla_attention({.q_latent = bench.put(q_latent.some_rows(first_row * n_heads, n)),
                           .q_pe = bench.put(q_pe.some_rows(first_row * n_heads, n)),
                           .rows = &rows,
                           .latent_cache = sequences.layer(),
                           .out = out,
                           .num_attention_heads = n_heads,
                           .softmax_scale = softmax_scale});
    return bench.get(out);
  }

  // In double, position by position with a running sum: no maximum of all scores first.
  Matrix formula(const std::vector<Span>& spans) const {
    Matrix out{0, rank, {}};
    for (const Span& span : spans) {
      const Matrix& c = cache[static_cast<size_t>(span.session)];
      for (int32_t position = span.first; position < span.first + span.n; ++position) {
        for (int32_t h = 0; h < n_heads; ++h, ++out.rows) append_formula_row(c, position, out);
      }
    }
    return out;
  }

 private:
  void append_formula_row(const Matrix& c, int32_t position, Matrix& out) const {
    const auto exact = [](float x) { return static_cast<double>(x); };
    double denominator = 0.0, largest = -std::numeric_limits<double>::infinity();
    std::vector<double> sums(static_cast<size_t>(rank), 0.0);
    for (int32_t p = 0; p <= position; ++p) {
      double score = 0.0;
      for (int64_t i = 0; i < rank; ++i) {
        score += exact(q_latent.row(out.rows)[i]) * exact(c.row(p)[i]);
      }
      for (int64_t i = 0; i < n_rope; ++i) {
        score += exact(q_pe.row(out.rows)[i]) * exact(c.row(p)[rank + i]);
      }
      score *= exact(softmax_scale);
      const double shrink = std::exp(largest - std::max(largest, score));
      largest = std::max(largest, score);
      const double weight = std::exp(score - largest);
      denominator = denominator * shrink + weight;
      for (size_t i = 0; i < sums.size(); ++i) {
        sums[i] = sums[i] * shrink + weight * exact(c.row(p)[i]);
      }
    }
    for (const double sum : sums) out.values.push_back(static_cast<float>(sum / denominator));
  }
};

class MlaAttentionTest : public test::BackendTest {};
INSTANTIATE_TEST_SUITE_P(Backends, MlaAttentionTest, test::every_backend(), test::backend_name);

// One head, latents of two values, rotary keys of two; the scores are ln 3 apart.
TEST_P(MlaAttentionTest, WeighsLatentsByTheSoftmaxOfTheirScores) {
  Attention a;
  a.rank = a.n_rope = 2;
  a.softmax_scale = 0.5f;
  a.cache = {test::matrix(4, {10, 1, 0, 0, 20, 2, 0, 1})};
  a.q_latent = test::matrix(2, {0, 0});
  a.q_pe = test::matrix(2, {0, 2 * std::log(3.0f)});
  const Matrix out = a.run(backend(), {{0, 1, 1}});
  EXPECT_NEAR(out.values[0], 17.5, 1e-5);
  EXPECT_NEAR(out.values[1], 1.75, 1e-6);
}

TEST_P(MlaAttentionTest, BothPartsOfTheQueryCount) {
  Attention a;
  a.rank = a.n_rope = 2;
  a.softmax_scale = 1.0f;
  a.cache = {test::matrix(4, {1, 0, 0, 0, 2, 0, 0, 1})};
  a.q_latent = test::matrix(2, {-std::log(3.0f), 0});  // three times in favour of the first
  a.q_pe = test::matrix(2, {0, std::log(3.0f)});       // and as much in favour of the second
  EXPECT_NEAR(a.run(backend(), {{0, 1, 1}}).values[0], 1.5, 1e-6);
}

TEST_P(MlaAttentionTest, AloneInItsContextARowSeesItself) {
  const Attention a = Attention::random(4, 32, 8, {1}, 1);
  const Matrix out = a.run(backend(), {{0, 0, 1}});
  for (int64_t h = 0; h < 4; ++h) {
    for (int64_t c = 0; c < 32; ++c) EXPECT_FLOAT_EQ(out.row(h)[c], a.cache[0].row(0)[c]);
  }
}

// P3: behind the last position lies NaN, up to the end of the page, in other pages and layers.
TEST_P(MlaAttentionTest, ReadsNothingBehindItsOwnPosition) {
  for (int32_t length = 1; length <= 64; ++length) {
    SCOPED_TRACE(length);
    const Attention a = Attention::random(2, 32, 8, {length}, 1);
    const std::vector<Span> last = {{0, length - 1, 1}};
    EXPECT_TRUE(is_near(a.run(backend(), last), a.formula(last), test::kSoftmaxTolerance));
  }
}

// P3, and A16: a prompt in one pass sees what a prompt in many passes sees.
TEST_P(MlaAttentionTest, RowsOfOnePassSeeNoRowAfterThem) {
  Attention a = Attention::random(3, 32, 8, {130}, 130);
  const Matrix whole = a.run(backend(), {{0, 0, 130}});
  EXPECT_TRUE(is_near(whole, a.formula({{0, 0, 130}}), test::kSoftmaxTolerance));
  const Matrix full_cache = a.cache[0];
  for (const int32_t chunk : {1, 2, 63, 64, 65}) {
    SCOPED_TRACE(chunk);
    for (int32_t first = 0; first < 130; first += chunk) {
      const int32_t n = std::min(chunk, 130 - first);
      a.cache[0] = full_cache.some_rows(0, first + n);  // the rest is still NaN
      ASSERT_TRUE(
          is_same(a.run(backend(), {{0, first, n}}, first), whole.some_rows(first * 3, n * 3)));
    }
  }
}

TEST_P(MlaAttentionTest, EverySessionSeesItsOwnCache) {
  const Attention a = Attention::random(2, 32, 8, {70, 5, 200}, 8);
  const std::vector<Span> spans = {{2, 196, 4}, {0, 69, 1}, {1, 2, 3}};
  EXPECT_TRUE(is_near(a.run(backend(), spans), a.formula(spans), test::kSoftmaxTolerance));
}

TEST_P(MlaAttentionTest, AgreesWithTheFormulaAtTheShapesOfTheFamily) {
  for (const int32_t n_heads : {128, 64, 16, 1}) {
    for (const int32_t length : {2, 63, 64, 65, 129}) {
      SCOPED_TRACE(testing::Message() << n_heads << " heads, " << length << " positions");
      const Attention a = Attention::random(n_heads, 512, 64, {length}, 2);
      const std::vector<Span> last = {{0, length - 2, 2}};
      EXPECT_TRUE(is_near(a.run(backend(), last), a.formula(last), test::kSoftmaxTolerance));
    }
  }
}

TEST_P(MlaAttentionTest, AgreesWithTheFormulaOverLongContexts) {
  for (const int32_t length : {1000, 4097}) {
    SCOPED_TRACE(length);
    const Attention a = Attention::random(2, 512, 64, {length}, 1);
    const std::vector<Span> last = {{0, length - 1, 1}};
    EXPECT_TRUE(is_near(a.run(backend(), last), a.formula(last), test::kSoftmaxTolerance));
  }
}

TEST_P(MlaAttentionTest, WidthsThatFitNoVectorAreRight) {
  for (const auto& [rank, n_rope] : {std::pair{1, 2}, {7, 2}, {24, 6}, {33, 10}, {48, 16}}) {
    SCOPED_TRACE(testing::Message() << rank << " + " << n_rope);
    const Attention a = Attention::random(3, rank, n_rope, {67}, 67);
    EXPECT_TRUE(
        is_near(a.run(backend(), {{0, 0, 67}}), a.formula({{0, 0, 67}}), test::kSoftmaxTolerance));
  }
}

// A10: queries are not normalised. One position wins then; nothing overflows on the way.
TEST_P(MlaAttentionTest, LargeQueriesKeepTheirDigits) {
  for (const int32_t n_rows : {1, 5}) {
    SCOPED_TRACE(n_rows);
    Attention a = Attention::random(2, 512, 64, {100}, n_rows);
    for (float& q : a.q_latent.values) q *= 1e3f;
    a.softmax_scale *= 1e-3f;
    const std::vector<Span> last = {{0, 100 - n_rows, n_rows}};
    EXPECT_TRUE(is_near(a.run(backend(), last), a.formula(last), test::kSoftmaxTolerance));
    a.softmax_scale *= 1e6f;
    EXPECT_TRUE(is_near(a.run(backend(), last), a.formula(last), test::kSoftmaxTolerance));
  }
}

// A11: values near the end of what F16 holds, summed over many positions.
TEST_P(MlaAttentionTest, LargeLatentsKeepTheirDigits) {
  for (const int32_t n_rows : {1, 5}) {
    SCOPED_TRACE(n_rows);
    Attention a = Attention::random(2, 512, 64, {300}, n_rows);
    for (float& c : a.cache[0].values) c = 6e4f * (1.0f + 0.01f * c);
    a.softmax_scale *= 1e-3f;
    const std::vector<Span> last = {{0, 300 - n_rows, n_rows}};
    EXPECT_TRUE(is_near(a.run(backend(), last), a.formula(last), test::kOffsetTolerance));
  }
}

// D1, P9, P1, D4: alone or beside others, one of them all NaN, on any number of threads.
TEST_P(MlaAttentionTest, ARowHasTheSameBitsInEveryBatchAndOnAnyNumberOfThreads) {
  Attention a = Attention::random(5, 64, 16, {300, 40, 129}, 9);
  const std::vector<Span> spans = {{0, 297, 3}, {1, 39, 1}, {2, 124, 5}};
  for (int64_t h = 0; h < 5; ++h) {
    a.q_latent.row(3 * 5 + h)[0] = std::numeric_limits<float>::quiet_NaN();
  }
  const Matrix all = a.run(backend(), spans);
  EXPECT_TRUE(is_same(all, a.run(on_one_thread(), spans)));
  int64_t r = 0;
  for (const Span& span : spans) {
    for (int32_t p = span.first; p < span.first + span.n; ++p, ++r) {
      EXPECT_EQ(std::isnan(all.row(r * 5)[0]), r == 3);
      EXPECT_TRUE(is_same(a.run(backend(), {{span.session, p, 1}}, r), all.some_rows(r * 5, 5)));
    }
  }
}

// Rounding a cache is one thing, computing with what it holds another: exact, but where queries and
// weights are rounded to bf16 too.
TEST_P(MlaAttentionTest, CachesOfEveryTypeAreComputedWithAsTheyAre) {
  for (const DType type : {DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ5_1, DType::kQ4_0}) {
    const bool is_rounded = type == DType::kBF16 && GetParam().activations == "int8";
    const test::Tolerance tolerance = is_rounded ? test::kBf16Tolerance : test::kSoftmaxTolerance;
    for (const auto& [n_heads, rank, n_rope] :
         {std::tuple{16, 512, 64}, {5, 64, 32}, {3, 32, 6}, {21, 32, 64}}) {
      for (const int32_t length : {1, 2, 63, 64, 65, 129, 700}) {
        SCOPED_TRACE(testing::Message() << name(type) << " " << n_heads << " x " << rank << " + "
                                        << n_rope << ", " << length << " positions");
        const int32_t n = std::min(length, 2);
        const Attention a = Attention::random(n_heads, rank, n_rope, {length}, n).cached_as(type);
        const std::vector<Span> last = {{0, length - n, n}};
        EXPECT_TRUE(is_near(a.run(backend(), last), a.formula(last), tolerance));
      }
    }
  }
}

// Alone its stretches of positions are shared out among threads, in a batch they are not.
TEST_P(MlaAttentionTest, OverALongCacheOfAnyTypeARowHasTheSameBitsInEveryBatch) {
  for (const DType type : {DType::kF32, DType::kBF16, DType::kQ8_0}) {
    SCOPED_TRACE(name(type));
    Attention a = Attention::random(16, 64, 32, {1300, 40, 729}, 9).cached_as(type);
    const std::vector<Span> spans = {{0, 1297, 3}, {1, 39, 1}, {2, 724, 5}};
    a.q_latent.row(3 * 16)[0] = std::numeric_limits<float>::quiet_NaN();
    const Matrix all = a.run(backend(), spans);
    EXPECT_TRUE(is_same(all, a.run(on_one_thread(), spans)));
    int64_t r = 0;
    for (const Span& span : spans) {
      for (int32_t p = span.first; p < span.first + span.n; ++p, ++r) {
        EXPECT_EQ(std::isnan(all.row(r * 16)[0]), r == 3);
        EXPECT_TRUE(
            is_same(a.run(backend(), {{span.session, p, 1}}, r), all.some_rows(r * 16, 16)));
      }
    }
  }
}

TEST_P(MlaAttentionTest, NoRowsIsNothingToDo) {
  const Attention a = Attention::random(2, 32, 8, {3}, 0);
  EXPECT_TRUE(a.run(backend(), {}).values.empty());
}

}  // namespace
}  // namespace hadal
