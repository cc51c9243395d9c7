// The rows of one pass through the trunk: tokens of one or several sessions, with their positions
// and the pages of their caches, as plain host data. The pages live as long as the batch: a session
// may go, or give pages back, while the pass that its rows are in goes on for others.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lib/model/latent_cache.hpp"

namespace hadal {

class Batch {
 public:
  // Appends `tokens` of one session, the first at position `first_position`. The cache has room for
  // them already. Rows of one session stand together.
  void add(std::span<const int32_t> tokens, int32_t first_position, const SessionCache& cache);
  // Asks for logits of the row added last.
  void want_last_row() { wanted_rows_.push_back(n_rows() - 1); }
  void want_row(int32_t row) { wanted_rows_.push_back(row); }

  int32_t n_rows() const { return static_cast<int32_t>(token_id_.size()); }
  int32_t n_sessions() const { return static_cast<int32_t>(first_page_.size()); }
  bool empty() const { return token_id_.empty(); }
  const std::vector<int32_t>& token_id() const { return token_id_; }
  const std::vector<int32_t>& session() const { return session_; }
  const std::vector<int32_t>& position() const { return position_; }
  const std::vector<int32_t>& wanted_rows() const { return wanted_rows_; }
  // [n_sessions, max_pages], ids into pages(); unused entries are 0.
  std::vector<int32_t> page_table() const;
  int32_t max_pages() const { return max_pages_; }
  // The start of every page of the batch, by page id.
  std::vector<std::byte*>& pages() { return pages_; }

 private:
  std::vector<int32_t> token_id_, session_, position_, wanted_rows_;
  std::vector<int32_t> first_page_, n_pages_;  // by session
  std::vector<std::byte*> pages_;
  std::vector<std::shared_ptr<CachePage>> kept_pages_;
  int32_t max_pages_ = 0;
};

}  // namespace hadal
