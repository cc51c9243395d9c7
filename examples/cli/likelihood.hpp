// What is counted over the tokens of a text: how likely a model holds them, and how far the words
// it expects are from those that another one does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cli {

// Log-probabilities of all words, in place of their logits; from f32 to f64 and back once.
void log_softmax(std::vector<float>& logits);

// A mean and how sure it is.
struct Mean {
  double value = 0.0, error = 0.0;  // the standard error
};

// A sum over tokens.
class Sum {
 public:
  void add(double x) {
    ++n_;
    sum_ += x;
    squares_ += x * x;
  }
  int64_t n() const { return n_; }
  double total() const { return sum_; }
  Mean mean() const;
  double root_of_mean_square() const;

 private:
  int64_t n_ = 0;
  double sum_ = 0.0, squares_ = 0.0;
};

// How far a model's distributions are from those of another, the base: a token at a time.
class Divergence {
 public:
  // Both of the same words. What the base holds for less likely than `least` is left out.
  void add(const std::vector<float>& log_p, const std::vector<float>& base_log_p, int32_t token,
           double least);

  Mean kl() const { return kl_.mean(); }  // base against model, in nats per token
  double quantile(double part) const;     // of the tokens' divergences
  double most() const { return quantile(1.0); }
  Mean same_best() const { return same_best_.mean(); }  // share of tokens
  Mean absolute_dp() const {
    return absolute_dp_.mean();
  }  // of the probability of the text's token
  Mean dp() const { return dp_.mean(); }
  double rms_dp() const { return dp_.root_of_mean_square(); }
  // Log of perplexity over the base's, with the error of the difference.
  Mean log_ratio() const { return nll_difference_.mean(); }
  Mean base_nll() const { return base_nll_.mean(); }
  int64_t n() const { return kl_.n(); }

 private:
  Sum kl_, same_best_, absolute_dp_, dp_, nll_difference_, base_nll_;
  std::vector<double> all_;
};

}  // namespace cli
