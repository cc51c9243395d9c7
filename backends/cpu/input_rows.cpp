#include "backends/cpu/input_rows.hpp"

namespace hadal::cpu {

void round_rows(Workers& workers, const float* const* rows, int64_t n, int64_t n_cols,
                Int8Stretch* to, const Int8Stretch** pointers) {
  const int64_t n_stretches = stretches(n_cols);
  workers.for_each_range(n, workers.grain(n, n_cols, 1), [&](int, int64_t first, int64_t n_some) {
    for (int64_t r = first; r < first + n_some; ++r) {
      pointers[r] = to + r * n_stretches;
      workers.kernels().round_to_int8(rows[r], n_cols, to + r * n_stretches);
    }
  });
}

}  // namespace hadal::cpu
