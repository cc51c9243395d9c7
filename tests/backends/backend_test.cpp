// See backend_test.hpp.
#include "tests/backends/backend_test.hpp"

#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_features.hpp"

namespace hadal::test {

BackendOptions options_of(const BackendCase& which) {
  BackendOptions options{which.backend, which.isa, which.activations, which.batch_invariant};
#ifdef HADAL_TEST_MODULES
  options.module_path = HADAL_TEST_MODULES;
#endif
  return options;
}

std::vector<BackendCase> every_case() {
  std::vector<BackendCase> cases = {{"reference", "auto", 1}};
  for (const char* isa : {"scalar", "avx2", "avx_vnni", "avx512", "amx", "neon"}) {
    // What this machine or this build lacks cannot be made, and is left out.
    const BackendOptions options{"cpu", isa};
    if (!make_backend(options, Memory::create(nullptr, 0), caller_only()).ok()) continue;
    const bool differs_in_int8_only = std::string_view(isa) == "avx_vnni";  // from avx2
    if (!differs_in_int8_only) {
      cases.push_back({"cpu", isa, 1});
      cases.push_back({"cpu", isa, 3});
    }
    cases.push_back({"cpu", isa, 3, "int8"});
    cases.push_back({"cpu", isa, 3, "int8", false});
  }
#ifdef HADAL_TEST_MODULES
  if (make_backend(options_of({"onednn", "auto"}), Memory::create(nullptr, 0), caller_only())
          .ok()) {  // not where the machine has no AVX512_BF16
    cases.push_back({"onednn", "auto", 1});
    cases.push_back({"onednn", "auto", 3});
    cases.push_back({"onednn", "auto", 3, "int8"});
    cases.push_back({"onednn", "auto", 3, "int8", false});
  }
#endif
  return cases;
}

void PrintTo(const BackendCase& which, std::ostream* out) {
  *out << which.backend << " " << which.isa << ", " << which.n_threads << " threads, "
       << which.activations << (which.batch_invariant ? "" : ", any order");
}

std::string backend_name(const testing::TestParamInfo<BackendCase>& info) {
  const BackendCase& c = info.param;
  if (c.backend == "reference") return c.backend;
  return c.backend + "_" + c.isa + "_" + c.activations + "_" + std::to_string(c.n_threads) +
         (c.batch_invariant ? "" : "_any_order");
}

std::unique_ptr<Backend> backend_of(const BackendCase& which, std::shared_ptr<Memory> memory) {
  std::shared_ptr<Executor> executor =
      which.n_threads == 1 ? caller_only() : must(thread_pool(which.n_threads - 1));
  return must(make_backend(options_of(which), std::move(memory), executor));
}

testing::AssertionResult BackendTest::is_same_alone(const Matrix& alone,
                                                    const Matrix& in_batch) const {
  return GetParam().batch_invariant ? is_same(alone, in_batch)
                                    : is_near(alone, in_batch, kSumTolerance);
}

Tolerance BackendTest::tolerance(const Tolerance& exact, const Tolerance& rounded,
                                 DType type) const {
  if (GetParam().activations != "int8") return exact;
  if (info(type).block_elements > 1) return rounded;
  const bool has_bf16 = (GetParam().isa == "avx512" || GetParam().backend == "onednn") &&
                        cpu::features_of_this_machine().avx512_bf16;
  if (!has_bf16 || (type != DType::kBF16 && type != DType::kF8_E4M3)) return exact;
  return {rounded.largest / 5, rounded.root_mean_square / 5};
}

Expected expected_matmul(const Matrix& x, const Matrix& w) {
  Expected expected;
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t o = 0; o < w.rows; ++o) {
      double sum = 0.0, squares = 0.0;
      for (int64_t i = 0; i < x.cols; ++i) {
        const double term = static_cast<double>(x.row(r)[i]) * static_cast<double>(w.row(o)[i]);
        sum += term;
        squares += term * term;
      }
      expected.values.push_back(sum);
      expected.magnitudes.push_back(std::sqrt(squares));
    }
  }
  return expected;
}

testing::AssertionResult is_near(const Matrix& actual, const Expected& expected,
                                 const Tolerance& tolerance) {
  if (actual.values.size() != expected.values.size()) {
    return testing::AssertionFailure()
           << actual.values.size() << " values, wanted " << expected.values.size();
  }
  double squares = 0.0;
  for (size_t i = 0; i < actual.values.size(); ++i) {
    const double value = static_cast<double>(actual.values[i]);
    const double difference = std::abs(value - expected.values[i]);
    // One that is made of zeros has to be exact.
    const double error = difference == 0.0 ? 0.0 : difference / expected.magnitudes[i];
    if (!(error <= tolerance.largest)) {
      return testing::AssertionFailure()
             << "value " << i << " is " << value << ", wanted " << expected.values[i]
             << ", of magnitude " << expected.magnitudes[i] << ", error " << error;
    }
    squares += error * error;
  }
  const double root_mean_square = std::sqrt(squares / static_cast<double>(actual.values.size()));
  if (!(root_mean_square <= tolerance.root_mean_square) && !actual.values.empty()) {
    return testing::AssertionFailure() << "root mean square of the error " << root_mean_square;
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult is_near(const Matrix& actual, const Matrix& expected,
                                 const Tolerance& tolerance) {
  Expected in_units;
  for (int64_t r = 0; r < expected.rows; ++r) {
    double squares = 0.0;
    for (int64_t c = 0; c < expected.cols; ++c) {
      const double value = static_cast<double>(expected.row(r)[c]);
      in_units.values.push_back(value);
      squares += value * value;
    }
    in_units.magnitudes.resize(in_units.values.size(),
                               std::sqrt(squares / static_cast<double>(expected.cols)));
  }
  return is_near(actual, in_units, tolerance);
}

testing::AssertionResult is_same(const Matrix& actual, const Matrix& expected) {
  if (actual.rows != expected.rows || actual.cols != expected.cols) {
    return testing::AssertionFailure() << "shapes differ";
  }
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const float a = actual.values[i], e = expected.values[i];
    if (std::isnan(a) && std::isnan(e)) continue;
    if (std::memcmp(&a, &e, sizeof a) != 0) {
      return testing::AssertionFailure() << "value " << i << " is " << a << ", wanted " << e;
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace hadal::test
