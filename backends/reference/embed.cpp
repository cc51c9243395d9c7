// The embedding: a row of the table per token id. Also the plain way to any row of a weight.
#include <algorithm>

#include "backends/reference/reference_ops.hpp"
#include "lib/tensor/block_formats.hpp"

namespace hadal::reference {

std::vector<float> decoded_row(const Weight& w, int64_t slice, int64_t row) {
  HADAL_CHECK(w.data != nullptr);  // not if another backend keeps it packed only
  std::vector<float> values(static_cast<size_t>(w.cols));
  decode_row(w.dtype, w.row(slice, row), w.cols, values.data());
  if (w.scales.data != nullptr) w.scales.apply(slice, row, 0, w.cols, values.data());
  return values;
}

void embed(const Tensor& token_id, const Weight& w, const Tensor& out) {
  for (int64_t r = 0; r < out.rows; ++r) {
    const std::vector<float> values = decoded_row(w, 0, *token_id.row_i32(r));
    std::copy(values.begin(), values.end(), out.row(r));
  }
}

}  // namespace hadal::reference
