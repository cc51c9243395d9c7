// Plain matrices and weights of every type, and the way with them to a backend and back. Shared by
// the tests of the ops and by the benchmarks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "backends/backend.hpp"

namespace hadal::test {

using Floats = std::vector<float>;
using Ids = std::vector<int32_t>;

struct Matrix {
  int64_t rows = 0;
  int64_t cols = 0;
  Floats values;

  float* row(int64_t r) { return values.data() + r * cols; }
  const float* row(int64_t r) const { return values.data() + r * cols; }
  Matrix some_rows(int64_t first, int64_t n) const;
};
Matrix matrix(int64_t cols, Floats values);  // as many rows as the values fill
Matrix random_matrix(int64_t rows, int64_t cols, uint64_t seed, float deviation = 1.0f);
Matrix matrix_of(int64_t rows, int64_t cols, float value);

// A weight with the bytes it points into; copies share them.
struct TestWeight {
  WeightSource source;
  std::shared_ptr<const std::vector<std::byte>> bytes;
  std::shared_ptr<const Floats> scales{};
  std::shared_ptr<const std::vector<const std::byte*>> slices{};

  Matrix decoded(int64_t slice) const;  // [out, in], whatever the order stored
};
TestWeight weight_of(DType dtype, int64_t slices, int64_t rows, int64_t cols,
                     std::vector<std::byte> bytes);
TestWeight f32_weight(int64_t slices, const Matrix& rows_of_all_slices);
inline TestWeight f32_vector(Floats values) {
  const int64_t n = static_cast<int64_t>(values.size());
  return f32_weight(1, matrix(n, std::move(values)));
}

// Random blocks: any bits but the scales, which are finite. kExtreme: scales of every magnitude
// that the format has, signs and zeros included.
enum class Scales { kOrdinary, kExtreme };
TestWeight random_weight(DType dtype, int64_t slices, int64_t rows, int64_t cols, uint64_t seed,
                         Scales scales = Scales::kOrdinary);

// The same codes with random scales of blocks, counted from the first row of every slice.
TestWeight with_scales(TestWeight weight, int64_t block_rows, int64_t block_cols, uint64_t seed);
// The same weight with its slices far from each other, in no order, at any address.
TestWeight with_slices_apart(const TestWeight& weight);

std::vector<DType> weight_dtypes();

// The value of a StatusOr, or an exception with its message: for tests, which know that it works.
template <class T>
T must(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(message_of(result.status()));
  return *std::move(result);
}
void must(const absl::Status& status);

inline constexpr std::byte kUnwritten{0xff};

// Memory and weights on one backend, alive as long as it is.
class Workbench {
 public:
  explicit Workbench(Backend& backend) : backend_(backend) {}

  Backend& backend() { return backend_; }
  Tensor put(const Matrix& values);
  Tensor put(const Ids& ids, int64_t cols = 1);
  Tensor empty(int64_t rows,
               int64_t cols);  // NaN everywhere, so that nothing may be left unwritten
  Tensor empty_bytes(int64_t rows, int64_t cols);  // kUnwritten everywhere: NaN in any float type
  Tensor empty_ids(int64_t rows, int64_t cols);    // -1 everywhere
  const Weight& upload(const TestWeight& weight);

  Matrix get(const Tensor& tensor);  // after wait()
  Ids get_ids(const Tensor& tensor);
  std::vector<std::byte> get_bytes(const Tensor& tensor);

 private:
  Tensor allocate(DType dtype, int64_t rows, int64_t cols);

  Backend& backend_;
  std::vector<Buffer> buffers_;
  std::vector<TestWeight> sources_;
  std::deque<Weight> weights_;
};

// x times a weight on a backend, and nothing else.
Matrix product(Backend& backend, const Matrix& x, const TestWeight& w);

}  // namespace hadal::test
