// The latent cache: what attention remembers of a token is one row of kv_lora_rank normalised
// latents and qk_rope_head_dim rotated key values per layer. Rows live in pages of 64 tokens, all
// layers of a token in one page; sessions hold lists of pages and share those of a common prefix.
// Latents may be rounded to a smaller type; the rotated values, which carry the position, are then
// bf16.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "lib/model/config.hpp"

namespace hadal {

// Rows of [n_layers, kPageSize] in the backend's memory.
struct CachePage {
  Buffer rows;
};

// Makes pages, and knows where a layer lies in one.
class LatentCache {
 public:
  // Of the trunk's layers, or of others as the MTP layers are.
  LatentCache(Backend& backend, const ModelConfig& config, int32_t n_layers, DType latent);

  // The types that latents may have; E_OUT_OF_RANGE for a word that is none of them, E_UNSUPPORTED
  // for one whose blocks do not divide this model's kv_lora_rank.
  static absl::StatusOr<DType> type_from_name(absl::string_view name, const ModelConfig& config);

  absl::StatusOr<std::shared_ptr<CachePage>> new_page() const;
  // A copy with the first n_rows of every layer.
  absl::StatusOr<std::shared_ptr<CachePage>> copy_page(const CachePage& page, int64_t n_rows) const;
  CacheLayer layer(int32_t index, std::byte* const* pages) const;

  const CacheRow& row() const { return row_; }
  int64_t page_bytes() const { return n_layers_ * kPageSize * row_.size_bytes(); }

 private:
  Backend* backend_;
  int64_t n_layers_;
  CacheRow row_;
};

// The pages of one session. Positions 0 to its length have rows that other sessions may share;
// whoever writes into a shared page gets one of its own first.
class SessionCache {
 public:
  explicit SessionCache(const LatentCache& cache) : cache_(cache) {}

  // Makes room to write the rows of positions first to first + n. On failure nothing is lost.
  absl::Status reserve(int64_t first, int64_t n);
  // Forgets what is beyond position n.
  void truncate(int64_t n);

  const std::vector<std::shared_ptr<CachePage>>& pages() const { return pages_; }
  const LatentCache& latent_cache() const { return cache_; }

 private:
  LatentCache cache_;
  std::vector<std::shared_ptr<CachePage>> pages_;
};

}  // namespace hadal
