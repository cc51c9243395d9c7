// Sessions with paged latent caches, for the ops that look at positions. Pages lie in no order and
// hold NaN wherever nothing was written, whatever the type of the cache.
#pragma once

#include "tests/backends/workbench.hpp"

namespace hadal::test {

// Neighbouring rows of one session.
struct Span {
  int32_t session = 0;
  int32_t first = 0;  // position
  int32_t n = 1;
};

class Sequences {
 public:
  // n_layers layers in every page, of which the ops see the last.
  Sequences(Workbench& bench, int32_t n_sessions, int32_t max_positions, const CacheRow& row,
            int32_t n_layers = 1);

  BatchRows rows(const std::vector<Span>& spans, int64_t qk_rope_head_dim);
  CacheLayer layer() const;

  void set_row(int32_t session, int32_t position, const float* values);
  // As many sessions as caches, with a row per position.
  static Sequences with(Workbench& bench, const std::vector<Matrix>& caches, const CacheRow& row,
                        int32_t n_layers = 1);
  Matrix row(int32_t session, int32_t position);
  int64_t count_rows_with_values();  // of all layers and pages: rows that were written

 private:
  Tensor row_view(int32_t session, int32_t position) const;  // its bytes

  Workbench& bench_;
  CacheRow row_;
  int32_t n_layers_;
  int32_t max_pages_;
  Ids page_table_;
  std::vector<Tensor> pages_;
  std::vector<std::byte*> page_data_;
};

// A row in f32, or with latents of another type and the rest in bf16.
inline CacheRow cache_row(int64_t rank, int64_t n_rope, DType latent = DType::kF32) {
  return {rank, n_rope, latent, latent == DType::kF32 ? DType::kF32 : DType::kBF16};
}
// What a row in f32 becomes when it is kept so.
Matrix as_cached(const CacheRow& row, const Matrix& values);

// cos and sin of every pair at a position, without YaRN; theta 10000.
Floats cos_sin_of(int32_t position, int64_t qk_rope_head_dim);

}  // namespace hadal::test
