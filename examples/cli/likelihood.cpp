#include "examples/cli/likelihood.hpp"

#include <algorithm>
#include <cmath>

namespace cli {

void log_softmax(std::vector<float>& logits) {
  const double most = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - most);
  const double log_sum = most + std::log(sum);
  for (float& x : logits) x = static_cast<float>(static_cast<double>(x) - log_sum);
}

Mean Sum::mean() const {
  if (n_ == 0) return {};
  const auto n = static_cast<double>(n_);
  const double mean = sum_ / n;
  if (n_ < 2) return {mean, 0.0};
  const double variance = std::max(0.0, squares_ / n - mean * mean);
  return {mean, std::sqrt(variance / (n - 1.0))};
}

double Sum::root_of_mean_square() const {
  return n_ == 0 ? 0.0 : std::sqrt(squares_ / static_cast<double>(n_));
}

void Divergence::add(const std::vector<float>& log_p, const std::vector<float>& base_log_p,
                     int32_t token, double least) {
  double kl = 0.0;
  for (size_t i = 0; i < log_p.size(); ++i) {
    const auto base = static_cast<double>(base_log_p[i]);
    if (base > least) kl += std::exp(base) * (base - static_cast<double>(log_p[i]));
  }
  kl_.add(kl);
  all_.push_back(kl);
  const auto best = [](const std::vector<float>& p) {
    return std::max_element(p.begin(), p.end()) - p.begin();
  };
  same_best_.add(best(log_p) == best(base_log_p) ? 1.0 : 0.0);
  const auto of_token = static_cast<double>(log_p[static_cast<size_t>(token)]);
  const auto base_of_token = static_cast<double>(base_log_p[static_cast<size_t>(token)]);
  const double dp = std::exp(of_token) - std::exp(base_of_token);
  dp_.add(dp);
  absolute_dp_.add(std::fabs(dp));
  nll_difference_.add(base_of_token - of_token);
  base_nll_.add(-base_of_token);
}

double Divergence::quantile(double part) const {
  if (all_.empty()) return 0.0;
  std::vector<double> sorted = all_;
  std::sort(sorted.begin(), sorted.end());
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double rest = place - static_cast<double>(below);
  return sorted[below] * (1.0 - rest) + sorted[above] * rest;
}

}  // namespace cli
