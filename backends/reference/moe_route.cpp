// Router of the mixture of experts, as plainly as it can be said: defines what is right for every
// other backend's moe_route. Not meant to be fast.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "backends/reference/reference_ops.hpp"

namespace hadal::reference {
namespace {

constexpr float kExcluded = -std::numeric_limits<float>::infinity();

// What ranks below all others. A NaN does too: no order could be made of it as it is, and the ids
// have to be ids whatever the layers before have done.
float rank_of(float choice) { return std::isnan(choice) ? kExcluded : choice; }

// The indices of the k largest values, largest first. Ties go to the lower index, which makes the
// result the same on every backend.
std::vector<int32_t> top_k(std::span<const float> values, int32_t k) {
  std::vector<int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return rank_of(values[static_cast<size_t>(a)]) > rank_of(values[static_cast<size_t>(b)]);
  });
  order.resize(std::min(order.size(), static_cast<size_t>(k)));
  return order;
}

// Excludes all but the best topk_group groups, with -inf and not 0: a choice that carries a bias
// can be negative, and 0 would then beat it.
void exclude_groups(const MoeRouteArgs& args, std::span<float> choice) {
  const size_t n_group = static_cast<size_t>(args.n_group);
  const size_t size = choice.size() / n_group;
  const int32_t n_judged = args.topk_method == TopkMethod::kNoauxTc ? 2 : 1;
  std::vector<float> group_score(n_group);
  for (size_t g = 0; g < n_group; ++g) {
    const std::span<const float> group = choice.subspan(g * size, size);
    for (const int32_t e : top_k(group, n_judged)) group_score[g] += group[static_cast<size_t>(e)];
  }
  const std::vector<int32_t> order = top_k(group_score, args.n_group);
  for (size_t rank = static_cast<size_t>(args.topk_group); rank < n_group; ++rank) {
    const std::span<float> group = choice.subspan(static_cast<size_t>(order[rank]) * size, size);
    std::fill(group.begin(), group.end(), kExcluded);
  }
}

std::vector<float> scores(ScoringFunc scoring_func, std::span<const float> logits) {
  std::vector<double> exact(logits.begin(), logits.end());
  if (scoring_func == ScoringFunc::kSigmoid) {
    for (double& s : exact) s = 1.0 / (1.0 + std::exp(-s));
  } else {
    const double largest = *std::max_element(exact.begin(), exact.end());
    double sum = 0.0;
    for (double& s : exact) sum += (s = std::exp(s - largest));
    for (double& s : exact) s /= sum;
  }
  std::vector<float> rounded;
  for (const double s : exact) rounded.push_back(static_cast<float>(s));
  return rounded;
}

// Two numbers per expert, and the difference matters: `choice` carries the load-balancing bias and
// decides who is picked; `score` does not and decides how much the pick counts.
void route_row(const MoeRouteArgs& args, std::span<const float> bias, int64_t row) {
  const std::vector<float> score =
      scores(args.scoring_func, {args.logits.row(row), static_cast<size_t>(args.logits.cols)});
  std::vector<float> choice = score;
  for (size_t e = 0; e < bias.size(); ++e) choice[e] += bias[e];
  if (args.n_group > 1 && args.topk_method != TopkMethod::kGreedy) exclude_groups(args, choice);
  const std::vector<int32_t> chosen = top_k(choice, static_cast<int32_t>(args.expert_ids.cols));

  double divisor = 1.0;
  if (args.norm_topk_prob && chosen.size() > 1) {
    divisor = 1e-20;  // every sigmoid may have underflowed to 0
    for (const int32_t e : chosen) divisor += static_cast<double>(score[static_cast<size_t>(e)]);
  }
  const double scale = static_cast<double>(args.routed_scaling_factor) / divisor;
  for (size_t k = 0; k < chosen.size(); ++k) {
    const double s = static_cast<double>(score[static_cast<size_t>(chosen[k])]);
    args.expert_ids.row_i32(row)[k] = chosen[k];
    args.expert_weights.row(row)[k] = static_cast<float>(s * scale);
  }
}

}  // namespace

void moe_route(const MoeRouteArgs& args) {
  std::vector<float> bias;
  if (args.e_score_correction_bias) bias = decoded_row(*args.e_score_correction_bias, 0, 0);
  for (int64_t row = 0; row < args.logits.rows; ++row) route_row(args, bias, row);
}

}  // namespace hadal::reference
