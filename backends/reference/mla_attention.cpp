// Attention over the latent cache. Keys are whole cache rows, shared by all heads; values are the
// latent part of the same rows.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {
namespace {

// The scores of positions 0 to `position`, turned into weights that sum to one.
std::vector<double> attention_weights(const MlaAttentionArgs& args, const int32_t* pages,
                                      int64_t position, const float* q_latent, const float* q_pe) {
  const int64_t rank = args.q_latent.cols;
  std::vector<double> weights;
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t p = 0; p <= position; ++p) {
    const float* cache_row = args.latent_cache.row_at(pages, p);
    const double product =
        dot(q_latent, cache_row, rank) + dot(q_pe, cache_row + rank, args.q_pe.cols);
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
  for (int64_t i = 0; i < args.out.rows; ++i) {  // a head of a row
    const int64_t r = i / args.num_attention_heads;
    const int32_t* pages = rows.page_table.row_i32(*rows.session.row_i32(r));
    const std::vector<double> weights = attention_weights(args, pages, *rows.position.row_i32(r),
                                                          args.q_latent.row(i), args.q_pe.row(i));
    std::vector<double> sums(static_cast<size_t>(args.out.cols));
    for (size_t p = 0; p < weights.size(); ++p) {
      const float* c_kv = args.latent_cache.row_at(pages, static_cast<int64_t>(p));
      for (size_t c = 0; c < sums.size(); ++c) sums[c] += weights[p] * static_cast<double>(c_kv[c]);
    }
    for (size_t c = 0; c < sums.size(); ++c) args.out.row(i)[c] = static_cast<float>(sums[c]);
  }
}

}  // namespace hadal::reference
