#include "lib/model/latent_cache.hpp"

#include <algorithm>
#include <vector>

namespace hadal {

LatentCache::LatentCache(Backend& backend, const ModelConfig& config, int32_t n_layers)
    : backend_(backend), n_layers_(n_layers), row_dim_(config.latent_dim()) {}

absl::StatusOr<std::shared_ptr<CachePage>> LatentCache::new_page() const {
  auto page = std::make_shared<CachePage>();
  HADAL_ASSIGN_OR_RETURN(page->rows, backend_.allocate(DType::kF32, n_layers_ * kPageSize, row_dim_,
                                                       MemoryTag::kCache));
  return page;
}

absl::StatusOr<std::shared_ptr<CachePage>> LatentCache::copy_page(const CachePage& page,
                                                                  int64_t n_rows) const {
  HADAL_ASSIGN_OR_RETURN(std::shared_ptr<CachePage> copy, new_page());
  std::vector<float> staging(static_cast<size_t>(n_rows * row_dim_));
  for (int64_t layer = 0; layer < n_layers_ && n_rows > 0; ++layer) {
    Tensor from = page.rows.tensor, to = copy->rows.tensor;
    from.data = reinterpret_cast<std::byte*>(from.row(layer * kPageSize));
    to.data = reinterpret_cast<std::byte*>(to.row(layer * kPageSize));
    HADAL_RETURN_IF_ERROR(backend_.read(from.first_rows(n_rows), staging.data()));
    backend_.write(to.first_rows(n_rows), staging.data());
  }
  HADAL_RETURN_IF_ERROR(backend_.wait());
  return copy;
}

CacheLayer LatentCache::layer(int32_t index, std::byte* const* pages) const {
  return {pages, index * kPageSize * row_dim_ * 4, row_dim_, DType::kF32};
}

absl::Status SessionCache::reserve(int64_t first, int64_t n) {
  if (n == 0) return absl::OkStatus();
  const size_t first_page = static_cast<size_t>(first / kPageSize);
  const size_t last_page = static_cast<size_t>((first + n - 1) / kPageSize);
  HADAL_CHECK(first_page <= pages_.size());
  if (first_page < pages_.size() && pages_[first_page].use_count() > 1) {
    HADAL_ASSIGN_OR_RETURN(pages_[first_page],
                           cache_->copy_page(*pages_[first_page], first % kPageSize));
  }
  // Pages after the first hold nothing that is still wanted.
  for (size_t i = first_page + 1; i < pages_.size(); ++i) {
    if (pages_[i].use_count() > 1) {
      pages_.resize(i);
      break;
    }
  }
  while (pages_.size() <= last_page) {
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<CachePage> page, cache_->new_page());
    pages_.push_back(std::move(page));
  }
  return absl::OkStatus();
}

void SessionCache::truncate(int64_t n) {
  const size_t n_pages = static_cast<size_t>((n + kPageSize - 1) / kPageSize);
  if (pages_.size() > n_pages) pages_.resize(n_pages);
}

}  // namespace hadal
