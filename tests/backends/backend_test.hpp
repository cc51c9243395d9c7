// The fixture of the ops: runs every test on every backend and instruction set of this machine,
// with one thread and with several. Holds the one table of tolerances.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

#include "backends/loader.hpp"
#include "tests/backends/workbench.hpp"

namespace hadal::test {

struct BackendCase {
  std::string backend;
  std::string isa;
  int n_threads = 1;
  std::string activations = "f32";
  bool batch_invariant = true;

  BackendCase with_threads(int n) const { return {backend, isa, n, activations, batch_invariant}; }
};

void PrintTo(const BackendCase& which, std::ostream* out);  // for GoogleTest

BackendOptions options_of(const BackendCase& which);
std::vector<BackendCase> every_case();
inline auto every_backend() { return testing::ValuesIn(every_case()); }
std::string backend_name(const testing::TestParamInfo<BackendCase>& info);
std::unique_ptr<Backend> backend_of(const BackendCase& which,
                                    std::shared_ptr<Memory> memory = Memory::create(nullptr, 0));

// Errors in units of the magnitudes. Weights decode exactly; activations are f32 or, however coarse
// the weights are, rounded: to 8 bits for block formats, to bf16 for bf16 and f8_e4m3 where a
// machine multiplies those.
struct Tolerance {
  double largest = 0.0;
  double root_mean_square = 0.0;
};

class BackendTest : public testing::TestWithParam<BackendCase> {
 protected:
  Backend& backend() { return *backend_; }
  Backend& reference() { return *reference_; }
  // The same backend and instruction set with one thread: the bits must not depend on the threads.
  Backend& on_one_thread() { return *on_one_thread_; }
  // What is asked of a result that `type` has a part in: `exact`, unless activations are rounded; a
  // fifth of `rounded` where that is to bf16.
  Tolerance tolerance(const Tolerance& exact, const Tolerance& rounded, DType type) const;
  // What a row is without the others of its batch: the same to the bit, or but for the order of the
  // sums where the backend may change it.
  testing::AssertionResult is_same_alone(const Matrix& alone, const Matrix& in_batch) const;
  // Whether so many rows may be treated as one that is alone.
  bool is_few(int64_t n_rows) const {
    return n_rows == 1 || (GetParam().backend == "onednn" && n_rows < 32);
  }

 private:
  std::unique_ptr<Backend> backend_ = backend_of(GetParam());
  std::unique_ptr<Backend> reference_ = backend_of({"reference", "auto", 1});
  std::unique_ptr<Backend> on_one_thread_ = backend_of(GetParam().with_threads(1));
};

// What a result should be, and how large its parts are: the root of the sum of the squares of the
// terms that were added. Errors are measured in that unit, so that a sum of cancelling terms is not
// asked for more than its terms can give.
struct Expected {
  std::vector<double> values;
  std::vector<double> magnitudes;
};
Expected expected_matmul(const Matrix& x, const Matrix& w);  // w [out, in], in double

inline constexpr Tolerance kSumTolerance = {1e-5, 2e-6};      // one sum of products
inline constexpr Tolerance kLogitTolerance = {3e-6, 6e-7};    // the router's, which decide
inline constexpr Tolerance kNormTolerance = {2e-6, 4e-7};     // a norm, a rotation
inline constexpr Tolerance kSoftmaxTolerance = {3e-5, 5e-6};  // a sum weighed by exponentials
inline constexpr Tolerance kExpertsTolerance = {5e-5, 1e-5};  // three products in a row, a silu
// The same with activations in steps of 1 / 127 of the largest of 256: for normal ones a root mean
// square of 0.0065; after three in a row, with scales far apart, a few values are off by more.
inline constexpr Tolerance kRoundedSumTolerance = {0.05, 0.015};
inline constexpr Tolerance kRoundedExpertsTolerance = {0.5, 0.05};
// Queries, keys, weights and values in bf16, in steps of 1 / 256 of themselves.
inline constexpr Tolerance kBf16Tolerance = {0.03, 0.005};
inline constexpr Tolerance kOffsetTolerance = {1e-4, 2e-5};  // sums of values that are all large

testing::AssertionResult is_near(const Matrix& actual, const Expected& expected,
                                 const Tolerance& tolerance);
// In units of the root mean square of each row.
testing::AssertionResult is_near(const Matrix& actual, const Matrix& expected,
                                 const Tolerance& tolerance);
// Bit for bit; NaN is the same as NaN.
testing::AssertionResult is_same(const Matrix& actual, const Matrix& expected);

// How many rows come together. Each must give every row the bits that it has alone.
inline constexpr int64_t kBatchSizes[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 33};

}  // namespace hadal::test
