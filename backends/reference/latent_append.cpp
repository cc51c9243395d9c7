// What a token leaves behind in the latent cache: the latent, normalised, and the rotary key that
// all heads share, rotated. The norm covers the latent only.
#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {

void latent_append(const LatentAppendArgs& args) {
  const BatchRows& rows = *args.rows;
  const int64_t rank = args.kv_lora_rank;
  const std::vector<float> gain = decoded_row(*args.gain, 0, 0);
  for (int64_t r = 0; r < args.kv_a.rows; ++r) {
    const int32_t* pages = rows.page_table.row_i32(*rows.session.row_i32(r));
    float* cache_row = args.latent_cache.row_at(pages, *rows.position.row_i32(r));
    const float* kv_a = args.kv_a.row(r);
    rms_norm_row(kv_a, gain.data(), rank, args.rms_norm_eps, cache_row);
    rotate_pairs(kv_a + rank, rows.cos_sin.row(r), args.kv_a.cols - rank, cache_row + rank);
  }
}

}  // namespace hadal::reference
