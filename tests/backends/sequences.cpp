// See sequences.hpp.
#include "tests/backends/sequences.hpp"

#include <algorithm>
#include <cmath>

#include "backends/reference/reference_ops.hpp"

namespace hadal::test {

Sequences::Sequences(Workbench& bench, int32_t n_sessions, int32_t max_positions,
                     const CacheRow& row, int32_t n_layers)
    : bench_(bench),
      row_(row),
      n_layers_(n_layers),
      max_pages_((max_positions + kPageSize - 1) / kPageSize) {
  const int32_t n_pages = n_sessions * max_pages_;
  for (int32_t page = 0; page < n_pages; ++page) {
    pages_.push_back(bench.empty_bytes(n_layers * kPageSize, row.size_bytes()));
    page_data_.push_back(pages_.back().data);
    page_table_.push_back(page);
  }
  // In an order of no pattern, made by a fixed rule.
  std::mt19937_64 random(1);
  for (size_t i = page_table_.size(); i > 1; --i) {
    std::swap(page_table_[i - 1], page_table_[random() % i]);
  }
}

Sequences Sequences::with(Workbench& bench, const std::vector<Matrix>& caches, const CacheRow& row,
                          int32_t n_layers) {
  int64_t longest = 0;
  for (const Matrix& c : caches) longest = std::max(longest, c.rows);
  Sequences made(bench, static_cast<int32_t>(caches.size()), static_cast<int32_t>(longest), row,
                 n_layers);
  for (size_t s = 0; s < caches.size(); ++s) {
    for (int32_t p = 0; p < caches[s].rows; ++p)
      made.set_row(static_cast<int32_t>(s), p, caches[s].row(p));
  }
  return made;
}

BatchRows Sequences::rows(const std::vector<Span>& spans, int64_t qk_rope_head_dim) {
  Ids session, position;
  Matrix cos_sin{0, qk_rope_head_dim, {}};
  for (const Span& span : spans) {
    for (int32_t p = span.first; p < span.first + span.n; ++p) {
      session.push_back(span.session);
      position.push_back(p);
      const Floats row = cos_sin_of(p, qk_rope_head_dim);
      cos_sin.values.insert(cos_sin.values.end(), row.begin(), row.end());
      ++cos_sin.rows;
    }
  }
  BatchRows rows;
  rows.token_id = bench_.put(Ids(session.size(), 0));
  rows.session = bench_.put(session);
  rows.position = bench_.put(position);
  rows.page_table = bench_.put(page_table_, max_pages_);
  rows.cos_sin = bench_.put(cos_sin);
  return rows;
}

CacheLayer Sequences::layer() const {
  CacheLayer layer;
  layer.pages = page_data_.data();
  layer.offset_bytes = (n_layers_ - 1) * kPageSize * row_.size_bytes();
  layer.row = row_;
  return layer;
}

Tensor Sequences::row_view(int32_t session, int32_t position) const {
  const int32_t page =
      page_table_[static_cast<size_t>(session * max_pages_ + position / kPageSize)];
  Tensor view = pages_[static_cast<size_t>(page)];
  view.data += ((n_layers_ - 1) * kPageSize + position % kPageSize) * row_.size_bytes();
  view.rows = 1;
  return view;
}

void Sequences::set_row(int32_t session, int32_t position, const float* values) {
  std::vector<std::byte> bytes(static_cast<size_t>(row_.size_bytes()));
  reference::store_cached_row(row_, values, bytes.data());
  bench_.backend().write(row_view(session, position), bytes.data());
}

Matrix Sequences::row(int32_t session, int32_t position) {
  const std::vector<std::byte> bytes = bench_.get_bytes(row_view(session, position));
  return matrix(row_.dim(), reference::cached_row(row_, bytes.data()));
}

int64_t Sequences::count_rows_with_values() {
  int64_t n = 0;
  for (const Tensor& page : pages_) {
    const std::vector<std::byte> bytes = bench_.get_bytes(page);
    for (auto row = bytes.begin(); row != bytes.end(); row += row_.size_bytes()) {
      if (std::any_of(row, row + row_.size_bytes(), [](std::byte b) { return b != kUnwritten; }))
        ++n;
    }
  }
  return n;
}

Matrix as_cached(const CacheRow& row, const Matrix& values) {
  Matrix kept = values;
  std::vector<std::byte> bytes(static_cast<size_t>(row.size_bytes()));
  for (int64_t r = 0; r < values.rows; ++r) {
    reference::store_cached_row(row, values.row(r), bytes.data());
    const std::vector<float> cached = reference::cached_row(row, bytes.data());
    std::copy(cached.begin(), cached.end(), kept.row(r));
  }
  return kept;
}

Floats cos_sin_of(int32_t position, int64_t qk_rope_head_dim) {
  Floats row;
  for (int64_t even = 0; even < qk_rope_head_dim; even += 2) {
    const double exponent = -static_cast<double>(even) / static_cast<double>(qk_rope_head_dim);
    const double angle = position * std::pow(10000.0, exponent);
    row.push_back(static_cast<float>(std::cos(angle)));
    row.push_back(static_cast<float>(std::sin(angle)));
  }
  return row;
}

}  // namespace hadal::test
