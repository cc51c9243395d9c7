// Attention with keys and values expanded. A session's are made once and serve all of its rows.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {
namespace {

// One head's keys and values of the first positions of a session.
struct HeadCache {
  std::vector<double> k, v;  // [n_positions][qk_head_dim], [n_positions][v_head_dim]
};

// The matrix of a head as [out][in], whichever way it is stored.
std::vector<double> matrix_of(const Weight& w, int64_t head) {
  const int64_t n_out = w.out_features(), n_in = w.in_features();
  std::vector<double> m(static_cast<size_t>(n_out * n_in));
  for (int64_t r = 0; r < w.rows; ++r) {
    const std::vector<float> row = decoded_row(w, head, r);
    for (int64_t c = 0; c < w.cols; ++c) {
      const int64_t at = w.transposed ? c * n_in + r : r * n_in + c;
      m[static_cast<size_t>(at)] = static_cast<double>(row[static_cast<size_t>(c)]);
    }
  }
  return m;
}

HeadCache expand(const MlaExpandedArgs& args, const int32_t* pages, int64_t n_positions,
                 int64_t head) {
  const int64_t rank = args.kv_lora_rank(), n_nope = args.qk_nope_head_dim();
  const std::vector<double> k_b = matrix_of(*args.k_b_proj, head);  // [rank][nope]
  const std::vector<double> v_b = matrix_of(*args.v_b_proj, head);  // [v][rank]
  HeadCache made;
  for (int64_t p = 0; p < n_positions; ++p) {
    const std::vector<float> row =
        cached_row(args.latent_cache.row, args.latent_cache.row_at(pages, p));
    const auto latent = [&row](int64_t i) {
      return static_cast<double>(row[static_cast<size_t>(i)]);
    };
    for (int64_t d = 0; d < n_nope; ++d) {
      double sum = 0.0;
      for (int64_t i = 0; i < rank; ++i)
        sum += latent(i) * k_b[static_cast<size_t>(i * n_nope + d)];
      made.k.push_back(sum);
    }
    for (int64_t i = rank; i < args.latent_cache.row.dim(); ++i) made.k.push_back(latent(i));
    for (int64_t d = 0; d < args.out.cols; ++d) {
      double sum = 0.0;
      for (int64_t i = 0; i < rank; ++i) sum += latent(i) * v_b[static_cast<size_t>(d * rank + i)];
      made.v.push_back(sum);
    }
  }
  return made;
}

void attend(const MlaExpandedArgs& args, const HeadCache& cache, int64_t n_positions,
            const float* q, float* out) {
  std::vector<double> weights;
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t p = 0; p < n_positions; ++p) {
    double score = 0.0;
    for (int64_t d = 0; d < args.q.cols; ++d)
      score += static_cast<double>(q[d]) * cache.k[static_cast<size_t>(p * args.q.cols + d)];
    weights.push_back(score * static_cast<double>(args.softmax_scale));
    largest = std::max(largest, weights.back());
  }
  double total = 0.0;
  for (double& w : weights) total += (w = std::exp(w - largest));
  for (int64_t d = 0; d < args.out.cols; ++d) {
    double sum = 0.0;
    for (int64_t p = 0; p < n_positions; ++p)
      sum += weights[static_cast<size_t>(p)] * cache.v[static_cast<size_t>(p * args.out.cols + d)];
    out[d] = static_cast<float>(sum / total);
  }
}

}  // namespace

void mla_attention_expanded(const MlaExpandedArgs& args) {
  const BatchRows& rows = *args.rows;
  const int64_t n_heads = args.n_heads();
  for (int64_t first = 0, end; first < rows.n_rows(); first = end) {  // rows of one session
    const int32_t session = *rows.session.row_i32(first);
    for (end = first + 1; end < rows.n_rows() && *rows.session.row_i32(end) == session;) ++end;
    const int64_t n_positions = int64_t{*rows.position.row_i32(end - 1)} + 1;
    for (int64_t h = 0; h < n_heads; ++h) {
      const HeadCache cache = expand(args, rows.page_table.row_i32(session), n_positions, h);
      for (int64_t r = first; r < end; ++r) {
        attend(args, cache, int64_t{*rows.position.row_i32(r)} + 1, args.q.row(r * n_heads + h),
               args.out.row(r * n_heads + h));
      }
    }
  }
}

}  // namespace hadal::reference
