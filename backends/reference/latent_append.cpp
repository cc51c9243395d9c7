// What a token leaves behind in the latent cache: the latent, normalised, and the rotary key that
// all heads share, rotated. The norm covers the latent only.
#include "backends/reference/reference_ops.hpp"
#include "lib/tensor/block_encoders.hpp"
#include "lib/tensor/block_formats.hpp"

namespace hadal::reference {

std::vector<float> cached_row(const CacheRow& format, const std::byte* row) {
  std::vector<float> values(static_cast<size_t>(format.dim()));
  decode_row(format.latent, row, format.kv_lora_rank, values.data());
  decode_row(format.rope, row + format.latent_bytes(), format.qk_rope_head_dim,
             values.data() + format.kv_lora_rank);
  return values;
}

void store_cached_row(const CacheRow& format, const float* values, std::byte* row) {
  encode_row(format.latent, values, format.kv_lora_rank, nullptr, row);
  encode_row(format.rope, values + format.kv_lora_rank, format.qk_rope_head_dim, nullptr,
             row + format.latent_bytes());
}

void latent_append(const LatentAppendArgs& args) {
  const BatchRows& rows = *args.rows;
  const int64_t rank = args.kv_lora_rank;
  const std::vector<float> gain = decoded_row(*args.gain, 0, 0);
  std::vector<float> values(static_cast<size_t>(args.kv_a.cols));
  for (int64_t r = 0; r < args.kv_a.rows; ++r) {
    const int32_t* pages = rows.page_table.row_i32(*rows.session.row_i32(r));
    const float* kv_a = args.kv_a.row(r);
    rms_norm_row(kv_a, gain.data(), rank, args.rms_norm_eps, values.data());
    rotate_pairs(kv_a + rank, rows.cos_sin.row(r), args.kv_a.cols - rank, values.data() + rank);
    store_cached_row(args.latent_cache.row, values.data(),
                     args.latent_cache.row_at(pages, *rows.position.row_i32(r)));
  }
}

}  // namespace hadal::reference
