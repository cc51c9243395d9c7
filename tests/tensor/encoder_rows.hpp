// Rows to encode, the same numbers on every machine: whole numbers, sums, products and square roots
// only. Used by the tests of the encoders and by what compares them with another library.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace hadal::test {

inline constexpr size_t kWidth = 1024;
// As many as tests/golden/ggml-encode-errors.json was recorded with: seeds 1 to 32; importance with
// seed 1.
inline constexpr size_t kRecordedRows = 32;

class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}

  // In [0, 1), 24 bits of it.
  double uniform() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ (z >> 31)) >> 40) * 0x1p-24;
  }
  // Mean 0, variance 1, by the sum of twelve.
  double gaussian() {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  double student4() {
    double squares = 0.0;
    const double g = gaussian();
    for (int i = 0; i < 4; ++i) {
      const double h = gaussian();
      squares += h * h;
    }
    return g / std::sqrt(squares / 4.0);
  }
  // A product of two gaussians less another is Laplace's.
  double laplace() {
    const double a = gaussian(), b = gaussian(), c = gaussian(), d = gaussian();
    return a * b - c * d;
  }
  double outliers() { return gaussian() * (uniform() < 0.005 ? 20.0 : 1.0); }

 private:
  uint64_t state_;
};

enum class Shape { kGaussian, kStudent4, kLaplace, kOutliers };
inline constexpr Shape kShapes[] = {Shape::kGaussian, Shape::kStudent4, Shape::kLaplace,
                                    Shape::kOutliers};
inline const char* shape_name(Shape shape) {
  switch (shape) {
    case Shape::kGaussian: return "gaussian";
    case Shape::kStudent4: return "student4";
    case Shape::kLaplace: return "laplace";
    case Shape::kOutliers: return "outliers";
  }
  return "";
}

// As wide as weights of large models are.
inline std::vector<float> random_row(Shape shape, uint64_t seed, size_t n = kWidth) {
  Draws draws(seed * 4 + static_cast<uint64_t>(shape));
  std::vector<float> row(n);
  for (float& x : row) {
    double value = 0.0;
    switch (shape) {
      case Shape::kGaussian: value = draws.gaussian(); break;
      case Shape::kStudent4: value = draws.student4(); break;
      case Shape::kLaplace: value = draws.laplace(); break;
      case Shape::kOutliers: value = draws.outliers(); break;
    }
    x = static_cast<float>(0.02 * value);
  }
  return row;
}

// Mean squares of inputs: most within a factor of ten or so, one in a hundred far above.
inline std::vector<float> random_importance(uint64_t seed, size_t n = kWidth) {
  Draws draws(seed ^ 0x5bd1e995u);
  std::vector<float> importance(n);
  for (float& w : importance) {
    const double g = draws.gaussian();
    w = static_cast<float>((0.1 + g * g) * (draws.uniform() < 0.01 ? 100.0 : 1.0));
  }
  return importance;
}

inline double squared_error(const std::vector<float>& a, const std::vector<float>& b,
                            const std::vector<float>& importance) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    const double w =
        importance.empty() ? 1.0 : static_cast<double>(importance[i % importance.size()]);
    sum += w * difference * difference;
  }
  return sum;
}

}  // namespace hadal::test
