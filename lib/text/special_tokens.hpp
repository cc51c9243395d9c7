// Finds the texts of special tokens in a text: the leftmost, and there the longest.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/hash_map.hpp"

namespace hadal {

class SpecialTokens {
 public:
  // A search costs at most this much per byte of the text. Real ones have up to 40 bytes.
  static constexpr size_t kLongest = 256;

  // `text` has 1 to kLongest bytes; of two tokens with equal text the first counts.
  void add(absl::string_view text, int32_t id);

  struct Match {
    size_t begin = 0, end = 0;
    int32_t id = -1;
  };
  // At or behind `from`.
  std::optional<Match> find(absl::string_view text, size_t from) const;
  // The token whose text is exactly this.
  std::optional<int32_t> exactly(absl::string_view text) const;

 private:
  static constexpr int32_t kRoot = 0;
  static uint64_t key(int32_t node, char byte) {
    return uint64_t{static_cast<uint32_t>(node)} << 8 | static_cast<uint8_t>(byte);
  }

  std::array<bool, 256> begins_{};          // some token's text begins so
  HashMap<uint64_t, int32_t> edges_;        // a trie: (node, byte) to node
  std::vector<int32_t> id_of_node_ = {-1};  // -1: no text ends here
};

}  // namespace hadal
