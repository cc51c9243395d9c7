// Attention over the latent cache. Keys are whole cache rows, shared by all heads; values are the
// latent part of the same rows.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {
namespace {

using CachedRows = std::vector<std::vector<float>>;

// The scores of the cached rows, turned into weights that sum to one.
std::vector<double> attention_weights(const MlaAttentionArgs& args, const CachedRows& cache,
                                      const float* q_latent, const float* q_pe) {
  const int64_t rank = args.q_latent.cols;
  std::vector<double> weights;
  double largest = -std::numeric_limits<double>::infinity();
  for (const std::vector<float>& row : cache) {
    const double product =
        dot(q_latent, row.data(), rank) + dot(q_pe, row.data() + rank, args.q_pe.cols);
    weights.push_back(product * static_cast<double>(args.softmax_scale));
    largest = std::max(largest, weights.back());
  }
  double sum = 0.0;
  for (double& w : weights) sum += (w = std::exp(w - largest));
  for (double& w : weights) w /= sum;
  return weights;
}

}  // namespace

void mla_attention(const MlaAttentionArgs& args) {
  const BatchRows& rows = *args.rows;
  CachedRows cache;
  for (int64_t i = 0; i < args.out.rows; ++i) {  // a head of a row
    const int64_t r = i / args.num_attention_heads;
    if (i % args.num_attention_heads == 0) {
      const int32_t* pages = rows.page_table.row_i32(*rows.session.row_i32(r));
      cache.clear();
      for (int64_t p = 0; p <= *rows.position.row_i32(r); ++p)
        cache.push_back(cached_row(args.latent_cache.row, args.latent_cache.row_at(pages, p)));
    }
    const std::vector<double> weights =
        attention_weights(args, cache, args.q_latent.row(i), args.q_pe.row(i));
    std::vector<double> sums(static_cast<size_t>(args.out.cols));
    for (size_t p = 0; p < weights.size(); ++p) {
      for (size_t c = 0; c < sums.size(); ++c)
        sums[c] += weights[p] * static_cast<double>(cache[p][c]);
    }
    for (size_t c = 0; c < sums.size(); ++c) args.out.row(i)[c] = static_cast<float>(sums[c]);
  }
}

}  // namespace hadal::reference
