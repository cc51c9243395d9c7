// The fixture of the ops: runs every test on every backend and instruction set of this machine,
// with one thread and with several. Holds the one table of tolerances.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

#include "tests/backends/workbench.hpp"

namespace hadal::test {

struct BackendCase {
  std::string backend;
  std::string isa;
  int n_threads = 1;
};

void PrintTo(const BackendCase& which, std::ostream* out);  // for GoogleTest

std::vector<BackendCase> every_case();
inline auto every_backend() { return testing::ValuesIn(every_case()); }
std::string backend_name(const testing::TestParamInfo<BackendCase>& info);
std::unique_ptr<Backend> backend_of(const BackendCase& which);

class BackendTest : public testing::TestWithParam<BackendCase> {
 protected:
  Backend& backend() { return *backend_; }
  Backend& reference() { return *reference_; }
  // The same backend and instruction set with one thread: the bits must not depend on the threads.
  Backend& on_one_thread() { return *on_one_thread_; }

 private:
  std::unique_ptr<Backend> backend_ = backend_of(GetParam());
  std::unique_ptr<Backend> reference_ = backend_of({"reference", "auto", 1});
  std::unique_ptr<Backend> on_one_thread_ = backend_of({GetParam().backend, GetParam().isa, 1});
};

// What a result should be, and how large its parts are: the root of the sum of the squares of the
// terms that were added. Errors are measured in that unit, so that a sum of cancelling terms is not
// asked for more than its terms can give.
struct Expected {
  std::vector<double> values;
  std::vector<double> magnitudes;
};
Expected expected_matmul(const Matrix& x, const Matrix& w);  // w [out, in], in double

// Errors in units of the magnitudes. A backend may round activations to 8 bits where the weights
// are quantised; everything else is f32 throughout.
struct Tolerance {
  double largest = 0.0;
  double root_mean_square = 0.0;
};
Tolerance matmul_tolerance(DType weights);
inline constexpr Tolerance kF32Tolerance = {1e-5, 3e-6};

testing::AssertionResult is_near(const Matrix& actual, const Expected& expected,
                                 const Tolerance& tolerance);
// Against another result of f32 throughout: in units of the root mean square of each row.
testing::AssertionResult is_near(const Matrix& actual, const Matrix& expected,
                                 const Tolerance& tolerance = kF32Tolerance);
// Bit for bit; NaN is the same as NaN.
testing::AssertionResult is_same(const Matrix& actual, const Matrix& expected);

// How many rows come together. Each must give every row the bits that it has alone.
inline constexpr int64_t kBatchSizes[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 33};

}  // namespace hadal::test
