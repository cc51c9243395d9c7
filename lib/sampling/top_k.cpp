// The k best, ties to the lower id.
#include <algorithm>

#include "lib/sampling/stages.hpp"

namespace hadal {

void keep_top_k(Candidates& candidates, int64_t k) {
  const auto wanted = static_cast<size_t>(k);
  if (wanted >= candidates.size()) return;
  Candidates scratch = candidates;
  const auto last = scratch.begin() + static_cast<ptrdiff_t>(wanted - 1);
  if (wanted < scratch.size() / 16) {
    std::partial_sort(scratch.begin(), last + 1, scratch.end(), better);  // one pass, few swaps
  } else {
    std::nth_element(scratch.begin(), last, scratch.end(), better);
  }
  const Candidate cut = *last;
  std::erase_if(candidates, [&](const Candidate& c) { return better(cut, c); });
}

}  // namespace hadal
