// DRY, "don't repeat yourself" (p-e-w, text-generation-webui pull request 5677): a token that would
// continue an earlier stretch of text, of which the last n tokens are a repeat, loses
// multiplier * base^(n - allowed_length). A breaker ends a stretch and is itself never penalised.
#include <algorithm>
#include <limits>
#include <vector>

#include "lib/base/hash_map.hpp"
#include "lib/sampling/sampler.hpp"
#include "lib/sampling/stages.hpp"

namespace hadal {
namespace {

// base^exponent by squaring, the same on every machine; may be +inf.
double power(double base, uint64_t exponent) {
  double result = 1.0;
  while (exponent > 0) {
    if ((exponent & 1) != 0) result *= base;
    exponent >>= 1;
    if (exponent > 0) base *= base;
  }
  return result;
}

// For each position i > 0 of `text`, how many tokens from there on equal those from the beginning
// on (the Z function).
std::vector<size_t> common_prefixes(const std::vector<int32_t>& text) {
  std::vector<size_t> z(text.size(), 0);
  size_t left = 0, right = 0;  // the match that reaches furthest
  for (size_t i = 1; i < text.size(); ++i) {
    size_t n = i < right ? std::min(right - i, z[i - left]) : 0;
    while (i + n < text.size() && text[n] == text[i + n]) ++n;
    z[i] = n;
    if (i + n > right) {
      left = i;
      right = i + n;
    }
  }
  return z;
}

}  // namespace

void apply_dry(std::span<float> logits, std::span<const int32_t> history,
               const SamplerOptions& options) {
  const auto window = static_cast<size_t>(options.dry_window);
  if (window > 0 && history.size() > window) history = history.last(window);
  const auto is_breaker = [&](int32_t id) {
    return std::find(options.dry_breakers.begin(), options.dry_breakers.end(), id) !=
           options.dry_breakers.end();
  };

  // Read backwards, the end of the text is a prefix, and repeats of it are found in one go. None
  // reaches across the latest breaker.
  const std::vector<int32_t> backwards(history.rbegin(), history.rend());
  const auto reach = static_cast<size_t>(
      std::find_if(backwards.begin(), backwards.end(), is_breaker) - backwards.begin());
  const auto allowed = static_cast<size_t>(options.dry_allowed_length);
  if (reach < allowed) return;

  // The longest repeat that each token would continue: the one after it in the text.
  const std::vector<size_t> repeats = common_prefixes(backwards);
  HashMap<int32_t, size_t> longest;
  for (size_t i = 1; i < backwards.size(); ++i) {
    const size_t n = std::min(repeats[i], reach);
    if (n == 0 || n < allowed) continue;
    size_t& most = longest[backwards[i - 1]];
    most = std::max(most, n);
  }
  for (const auto& [id, n] : longest) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size() || is_breaker(id)) continue;
    float& logit = logits[static_cast<size_t>(id)];
    if (logit == -std::numeric_limits<float>::infinity()) continue;
    logit = saturated(static_cast<double>(logit) -
                      options.dry_multiplier * power(options.dry_base, n - allowed));
  }
}

}  // namespace hadal
