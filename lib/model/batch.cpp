#include "lib/model/batch.hpp"

#include <algorithm>

namespace hadal {

void Batch::add(std::span<const int32_t> tokens, int32_t first_position,
                const SessionCache& cache) {
  const int32_t session = n_sessions();
  for (size_t i = 0; i < tokens.size(); ++i) {
    token_id_.push_back(tokens[i]);
    session_.push_back(session);
    position_.push_back(first_position + static_cast<int32_t>(i));
  }
  first_page_.push_back(static_cast<int32_t>(pages_.size()));
  n_pages_.push_back(static_cast<int32_t>(cache.pages().size()));
  max_pages_ = std::max(max_pages_, n_pages_.back());
  for (const auto& page : cache.pages()) pages_.push_back(page->rows.tensor.data);
  kept_pages_.insert(kept_pages_.end(), cache.pages().begin(), cache.pages().end());
}

std::vector<int32_t> Batch::page_table() const {
  std::vector<int32_t> table(static_cast<size_t>(n_sessions()) * static_cast<size_t>(max_pages_));
  for (size_t s = 0; s < first_page_.size(); ++s) {
    for (int32_t p = 0; p < n_pages_[s]; ++p) {
      table[s * static_cast<size_t>(max_pages_) + static_cast<size_t>(p)] = first_page_[s] + p;
    }
  }
  return table;
}

}  // namespace hadal
