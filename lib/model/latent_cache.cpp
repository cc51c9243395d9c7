#include "lib/model/latent_cache.hpp"

#include <algorithm>
#include <vector>

namespace hadal {
namespace {

constexpr DType kLatentTypes[] = {DType::kF32,  DType::kBF16, DType::kF16, DType::kQ8_0,
                                  DType::kQ5_1, DType::kQ5_0, DType::kQ4_0};

}  // namespace

LatentCache::LatentCache(Backend& backend, const ModelConfig& config, int32_t n_layers,
                         DType latent)
    : backend_(&backend),
      n_layers_(n_layers),
      row_{config.kv_lora_rank, config.qk_rope_head_dim, latent,
           latent == DType::kF32 ? DType::kF32 : DType::kBF16} {}

absl::StatusOr<DType> LatentCache::type_from_name(absl::string_view name,
                                                  const ModelConfig& config) {
  for (const DType type : kLatentTypes) {
    if (name != info(type).name) continue;
    const int32_t block = info(type).block_elements;
    if (config.kv_lora_rank % block == 0) return type;
    return fail(
        HADAL_E_UNSUPPORTED,
        absl::StrCat("a latent cache of type ", name, ", whose blocks of ", block,
                     " values do not divide this model's kv_lora_rank of ", config.kv_lora_rank),
        "Set the option cache_type to f32, bf16 or f16.");
  }
  std::string known;
  for (const DType type : kLatentTypes) absl::StrAppend(&known, ", ", info(type).name);
  return fail(HADAL_E_OUT_OF_RANGE, absl::StrCat("the option cache_type cannot be \"", name, "\""),
              absl::StrCat("Give auto", known, "."));
}

absl::StatusOr<std::shared_ptr<CachePage>> LatentCache::new_page() const {
  auto page = std::make_shared<CachePage>();
  HADAL_ASSIGN_OR_RETURN(page->rows, backend_->allocate(DType::kI8, n_layers_ * kPageSize,
                                                        row_.size_bytes(), MemoryTag::kCache));
  return page;
}

absl::StatusOr<std::shared_ptr<CachePage>> LatentCache::copy_page(const CachePage& page,
                                                                  int64_t n_rows) const {
  HADAL_ASSIGN_OR_RETURN(std::shared_ptr<CachePage> copy, new_page());
  std::vector<std::byte> staging(static_cast<size_t>(n_rows * row_.size_bytes()));
  for (int64_t layer = 0; layer < n_layers_ && n_rows > 0; ++layer) {
    Tensor from = page.rows.tensor, to = copy->rows.tensor;
    from.data += layer * kPageSize * row_.size_bytes();
    to.data += layer * kPageSize * row_.size_bytes();
    HADAL_RETURN_IF_ERROR(backend_->read(from.first_rows(n_rows), staging.data()));
    backend_->write(to.first_rows(n_rows), staging.data());
  }
  HADAL_RETURN_IF_ERROR(backend_->wait());
  return copy;
}

CacheLayer LatentCache::layer(int32_t index, std::byte* const* pages) const {
  return {pages, index * kPageSize * row_.size_bytes(), row_};
}

absl::Status SessionCache::reserve(int64_t first, int64_t n) {
  if (n == 0) return absl::OkStatus();
  const size_t first_page = static_cast<size_t>(first / kPageSize);
  const size_t last_page = static_cast<size_t>((first + n - 1) / kPageSize);
  HADAL_CHECK(first_page <= pages_.size());
  if (first_page < pages_.size() && pages_[first_page].use_count() > 1) {
    HADAL_ASSIGN_OR_RETURN(pages_[first_page],
                           cache_.copy_page(*pages_[first_page], first % kPageSize));
  }
  // Pages after the first hold nothing that is still wanted.
  for (size_t i = first_page + 1; i < pages_.size(); ++i) {
    if (pages_[i].use_count() > 1) {
      pages_.resize(i);
      break;
    }
  }
  while (pages_.size() <= last_page) {
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<CachePage> page, cache_.new_page());
    pages_.push_back(std::move(page));
  }
  return absl::OkStatus();
}

void SessionCache::truncate(int64_t n) {
  const size_t n_pages = static_cast<size_t>((n + kPageSize - 1) / kPageSize);
  if (pages_.size() > n_pages) pages_.resize(n_pages);
}

}  // namespace hadal
