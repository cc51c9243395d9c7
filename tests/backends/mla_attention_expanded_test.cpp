// Mirrors backends/*/mla_attention_expanded.
#include <cmath>
#include <limits>

#include "tests/backends/backend_test.hpp"
#include "tests/backends/sequences.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::Span;
using test::TestWeight;

struct Shape {
  int32_t n_heads = 2;
  int64_t rank = 32, n_nope = 16, n_rope = 8, n_v = 24;
};
// How the two matrices of a head are stored. In joint attn_kv_b the rows of both are outputs of the
// latents; in split files attn_k_b has the latents as rows.
struct Storage {
  DType dtype = DType::kF32;
  bool k_rows_are_latents = true;
  bool v_rows_are_latents = false;
};

struct Attention {
  Shape shape;
  std::vector<Matrix> cache;  // per session: a row per position
  Matrix q;                   // of all rows of a batch
  TestWeight k_b, v_b;
  float softmax_scale = 0.0f;
  DType latent = DType::kF32;  // of the cache
  std::vector<Matrix> given;   // the cache before it was rounded to that, where it was

  static Attention random(const Shape& s, const std::vector<int32_t>& lengths, int64_t n_rows,
                          const Storage& storage = {}) {
    Attention a;
    a.shape = s;
    for (size_t i = 0; i < lengths.size(); ++i)
      a.cache.push_back(test::random_matrix(lengths[i], s.rank + s.n_rope, 10 + i));
    a.q = test::random_matrix(n_rows * s.n_heads, s.n_nope + s.n_rope, 1);
    const auto weight = [&](bool rows_are_latents, int64_t n_out, uint64_t seed) {
      return rows_are_latents ? test::random_weight(storage.dtype, s.n_heads, s.rank, n_out, seed)
                              : test::random_weight(storage.dtype, s.n_heads, n_out, s.rank, seed);
    };
    a.k_b = weight(storage.k_rows_are_latents, s.n_nope, 2);
    a.k_b.source.transposed = !storage.k_rows_are_latents;
    a.v_b = weight(storage.v_rows_are_latents, s.n_v, 3);
    a.v_b.source.transposed = storage.v_rows_are_latents;
    // Scores with a deviation of about 2.
    double sum = 0.0;
    const Matrix k = a.k_b.decoded(0);
    for (const float x : k.values) sum += static_cast<double>(x) * static_cast<double>(x);
    a.softmax_scale = static_cast<float>(2.0 / std::sqrt(sum + static_cast<double>(s.n_rope)));
    return a;
  }

  CacheRow cached_row() const { return test::cache_row(shape.rank, shape.n_rope, latent); }

  // The same with a cache in another type, and the values that they are then.
  Attention cached_as(DType type) const {
    Attention a = *this;
    a.latent = type;
    a.given = cache;
    for (Matrix& c : a.cache) c = test::as_cached(a.cached_row(), c);
    return a;
  }

  // Rows first_row to first_row + n of the batch, which are those of `spans`.
  Matrix run(Backend& backend, const std::vector<Span>& spans, int64_t first_row = 0) const {
    test::Workbench bench(backend);
    test::Sequences sequences =
        test::Sequences::with(bench, given.empty() ? cache : given, cached_row(), /*n_layers=*/2);
    const BatchRows rows = sequences.rows(spans, shape.n_rope);
    const int64_t n = rows.n_rows() * shape.n_heads;
    const Tensor out = bench.empty(n, shape.n_v);
    const Weight &k = bench.upload(k_b), &v = bench.upload(v_b);
    backend.mla_attention_expanded({.q = bench.put(q.some_rows(first_row * shape.n_heads, n)),
                                    .k_b_proj = &k,
                                    .v_b_proj = &v,
                                    .rows = &rows,
                                    .latent_cache = sequences.layer(),
                                    .out = out,
                                    .softmax_scale = softmax_scale});
    return bench.get(out);
  }

  // In double and in the absorbed form: the latents are weighed first and carried out last.
  Matrix formula(const std::vector<Span>& spans) const {
    Matrix out{0, shape.n_v, {}};
    std::vector<Matrix> k, v;
    for (int64_t h = 0; h < shape.n_heads; ++h) {
      k.push_back(k_b.decoded(h));
      v.push_back(v_b.decoded(h));
    }
    for (const Span& span : spans) {
      for (int32_t position = span.first; position < span.first + span.n; ++position) {
        for (size_t h = 0; h < k.size(); ++h, ++out.rows)
          append_formula_row(cache[static_cast<size_t>(span.session)], k[h], v[h], position, out);
      }
    }
    return out;
  }

 private:
  static double exact(float x) { return static_cast<double>(x); }

  void append_formula_row(const Matrix& c, const Matrix& k, const Matrix& v, int32_t position,
                          Matrix& out) const {
    const float* query = q.row(out.rows);
    std::vector<double> latent_query(static_cast<size_t>(shape.rank));
    for (int64_t i = 0; i < shape.rank; ++i) {
      for (int64_t d = 0; d < shape.n_nope; ++d)
        latent_query[static_cast<size_t>(i)] += exact(k.row(i)[d]) * exact(query[d]);
    }
    double total = 0.0;
    std::vector<double> latents(static_cast<size_t>(shape.rank));
    for (int32_t p = 0; p <= position; ++p) {
      double score = 0.0;
      for (int64_t i = 0; i < shape.rank; ++i)
        score += latent_query[static_cast<size_t>(i)] * exact(c.row(p)[i]);
      for (int64_t i = 0; i < shape.n_rope; ++i)
        score += exact(query[shape.n_nope + i]) * exact(c.row(p)[shape.rank + i]);
      const double weight = std::exp(score * exact(softmax_scale));
      total += weight;
      for (size_t i = 0; i < latents.size(); ++i) latents[i] += weight * exact(c.row(p)[i]);
    }
    for (int64_t d = 0; d < shape.n_v; ++d) {
      double sum = 0.0;
      for (size_t i = 0; i < latents.size(); ++i) sum += latents[i] / total * exact(v.row(d)[i]);
      out.values.push_back(static_cast<float>(sum));
    }
  }
};

class MlaAttentionExpandedTest : public test::BackendTest {
 protected:
  // Keys and values are sums of their own, before those over positions.
  test::Tolerance near_enough(DType type = DType::kF32) const {
    const test::Tolerance exact = {1e-4, 2e-5};
    // Keys and values of bf16 weights come from latents that are rounded to bf16.
    if (type == DType::kBF16) {
      const test::Tolerance rounded = tolerance(exact, test::kRoundedSumTolerance, type);
      return rounded.largest == exact.largest ? exact : test::kBf16Tolerance;
    }
    return tolerance(exact, test::kRoundedSumTolerance, type);
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, MlaAttentionExpandedTest, test::every_backend(),
                         test::backend_name);

TEST_P(MlaAttentionExpandedTest, AgreesWithTheAbsorbedFormHoweverTheMatricesAreStored) {
  const Shape shape = {.n_heads = 3, .rank = 256, .n_nope = 256, .n_rope = 8, .n_v = 256};
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_K}) {
    for (const bool k_rows_are_latents : {false, true}) {
      for (const bool v_rows_are_latents : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << name(dtype) << " " << k_rows_are_latents << " " << v_rows_are_latents);
        const Attention a =
            Attention::random(shape, {150}, 20, {dtype, k_rows_are_latents, v_rows_are_latents});
        const std::vector<Span> rows = {{0, 130, 20}};
        EXPECT_TRUE(is_near(a.run(backend(), rows), a.formula(rows), near_enough(dtype)));
      }
    }
  }
}

TEST_P(MlaAttentionExpandedTest, AgreesAroundTheEdgesOfBlocksAndTiles) {
  for (const int32_t length : {1, 2, 63, 64, 65, 127, 128, 129, 257, 300}) {
    for (const int32_t n : {1, 2, 64, 65, 300}) {
      if (n > length) continue;
      SCOPED_TRACE(testing::Message() << "the last " << n << " of " << length);
      const Attention a = Attention::random({}, {length}, n);
      const std::vector<Span> rows = {{0, length - n, n}};
      EXPECT_TRUE(is_near(a.run(backend(), rows), a.formula(rows), near_enough()));
    }
  }
}

TEST_P(MlaAttentionExpandedTest, AgreesAtTheWidthsOfTheFamilyAndAtSomeThatFitNoVector) {
  const Shape shapes[] = {
      {16, 512, 128, 64, 128}, {1, 512, 192, 64, 256}, {3, 7, 5, 2, 3}, {2, 33, 10, 6, 17}};
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.n_heads << " heads of " << shape.n_nope);
    const Attention a = Attention::random(shape, {140}, 5);
    const std::vector<Span> rows = {{0, 135, 5}};
    EXPECT_TRUE(is_near(a.run(backend(), rows), a.formula(rows), near_enough()));
  }
}

// P3, A16: what comes after a row is still NaN in the one run, and there in the other.
TEST_P(MlaAttentionExpandedTest, RowsOfOnePassSeeNoRowAfterThem) {
  Attention a = Attention::random({}, {260}, 260);
  const Matrix whole = a.run(backend(), {{0, 0, 260}});
  EXPECT_TRUE(is_near(whole, a.formula({{0, 0, 260}}), near_enough()));
  const Matrix full_cache = a.cache[0];
  for (const int32_t chunk : {1, 63, 128, 129}) {
    SCOPED_TRACE(chunk);
    for (int32_t first = 0; first < 260; first += chunk) {
      const int32_t n = std::min(chunk, 260 - first);
      a.cache[0] = full_cache.some_rows(0, first + n);
      ASSERT_TRUE(
          is_same(a.run(backend(), {{0, first, n}}, first), whole.some_rows(first * 2, n * 2)));
    }
  }
}

TEST_P(MlaAttentionExpandedTest, ARowHasTheSameBitsInEveryBatchAndOnAnyNumberOfThreads) {
  Attention a = Attention::random({.n_heads = 1}, {300, 40, 600}, 509);
  const std::vector<Span> spans = {{0, 297, 3}, {1, 39, 1}, {2, 95, 505}};
  a.q.row(3)[0] = std::numeric_limits<float>::quiet_NaN();
  const Matrix all = a.run(backend(), spans);
  EXPECT_TRUE(is_same(all, a.run(on_one_thread(), spans)));
  EXPECT_TRUE(std::isnan(all.row(3)[0]));
  for (const int64_t r : {0, 1, 2, 4, 5, 300, 508}) {
    EXPECT_FALSE(std::isnan(all.row(r)[0]));
    const Span alone = r < 3 ? Span{0, 297 + static_cast<int32_t>(r), 1}
                             : Span{2, 95 + static_cast<int32_t>(r) - 4, 1};
    EXPECT_TRUE(is_same(a.run(backend(), {alone}, r), all.some_rows(r, 1))) << r;
  }
}

// P9: a row of the same pass whose latents are not numbers is seen by itself and those after it.
TEST_P(MlaAttentionExpandedTest, WhatIsWrongWithARowDoesNotReachThoseBeforeIt) {
  Attention a = Attention::random({}, {150}, 150);
  const Matrix sound = a.run(backend(), {{0, 0, 150}});
  for (const int32_t broken : {1, 5, 63, 130, 149}) {
    SCOPED_TRACE(broken);
    Attention b = a;
    b.cache[0].row(broken)[3] = std::numeric_limits<float>::quiet_NaN();
    const Matrix out = b.run(backend(), {{0, 0, 150}});
    EXPECT_TRUE(is_same(out.some_rows(0, broken * 2), sound.some_rows(0, broken * 2)));
    EXPECT_TRUE(std::isnan(out.row(broken * 2)[0]) && std::isnan(out.row(299)[0]));
  }
}

TEST_P(MlaAttentionExpandedTest, CachesOfEveryTypeAreComputedWithAsTheyAre) {
  for (const DType type : {DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ5_1, DType::kQ4_0}) {
    const bool is_rounded = type == DType::kBF16 && GetParam().activations == "int8";
    const test::Tolerance tolerance = is_rounded ? test::kBf16Tolerance : near_enough();
    const Shape shapes[] = {{2, 512, 128, 64, 128}, {3, 32, 16, 32, 64}, {2, 32, 10, 6, 17}};
    for (const Shape& shape : shapes) {
      for (const int32_t length : {1, 65, 131, 300}) {
        SCOPED_TRACE(testing::Message() << name(type) << " " << shape.rank << " + " << shape.n_rope
                                        << ", " << length << " positions");
        if (shape.rank > 100 && length > 131) continue;  // takes long, and shows nothing new
        const int32_t n = std::min(length, shape.rank > 100 ? 10 : 70);
        const Attention a = Attention::random(shape, {length}, n).cached_as(type);
        const std::vector<Span> last = {{0, length - n, n}};
        EXPECT_TRUE(is_near(a.run(backend(), last), a.formula(last), tolerance));
      }
    }
  }
}

TEST_P(MlaAttentionExpandedTest, OverARoundedCacheNothingOfALaterRowReachesThoseBeforeIt) {
  const Attention a = Attention::random({2, 32, 16, 32, 64}, {150}, 150).cached_as(DType::kBF16);
  const Matrix sound = a.run(backend(), {{0, 0, 150}});
  EXPECT_TRUE(is_same(sound, a.run(on_one_thread(), {{0, 0, 150}})));
  for (const int32_t broken : {1, 5, 63, 130, 149}) {
    SCOPED_TRACE(broken);
    Attention b = a;
    b.given[0].row(broken)[3] = std::numeric_limits<float>::quiet_NaN();
    const Matrix out = b.run(backend(), {{0, 0, 150}});
    EXPECT_TRUE(is_same(out.some_rows(0, broken * 2), sound.some_rows(0, broken * 2)));
    EXPECT_TRUE(std::isnan(out.row(broken * 2)[0]) && std::isnan(out.row(299)[0]));
  }
}

// A10: one position wins, and nothing overflows on the way.
TEST_P(MlaAttentionExpandedTest, LargeScoresKeepTheirDigits) {
  Attention a = Attention::random({}, {200}, 70);
  a.softmax_scale *= 20.0f;
  const std::vector<Span> rows = {{0, 130, 70}};
  EXPECT_TRUE(is_near(a.run(backend(), rows), a.formula(rows), {3e-3, 5e-4}));
}

}  // namespace
}  // namespace hadal
