#include "lib/text/special_tokens.hpp"

#include "lib/base/status.hpp"

namespace hadal {

void SpecialTokens::add(absl::string_view text, int32_t id) {
  HADAL_CHECK(!text.empty() && text.size() <= kLongest);
  begins_[static_cast<uint8_t>(text[0])] = true;
  int32_t node = kRoot;
  for (const char byte : text) {
    const auto next = static_cast<int32_t>(id_of_node_.size());
    const auto [edge, is_new] = edges_.try_emplace(key(node, byte), next);
    if (is_new) id_of_node_.push_back(-1);
    node = edge->second;
  }
  int32_t& here = id_of_node_[static_cast<size_t>(node)];
  if (here < 0) here = id;
}

std::optional<SpecialTokens::Match> SpecialTokens::find(absl::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!begins_[static_cast<uint8_t>(text[begin])]) continue;
    std::optional<Match> longest;
    int32_t node = kRoot;
    for (size_t at = begin; at < text.size(); ++at) {
      const auto edge = edges_.find(key(node, text[at]));
      if (edge == edges_.end()) break;
      node = edge->second;
      const int32_t id = id_of_node_[static_cast<size_t>(node)];
      if (id >= 0) longest = Match{begin, at + 1, id};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

std::optional<int32_t> SpecialTokens::exactly(absl::string_view text) const {
  const std::optional<Match> match = find(text, 0);
  if (!match || match->begin != 0 || match->end != text.size()) return std::nullopt;
  return match->id;
}

}  // namespace hadal
