// Builds a rendered prompt: markers of the format, which are special tokens, and text, which never
// becomes one. Neighbouring stretches of one kind are joined.
#pragma once

#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/text/chat_format.hpp"

namespace hadal {

class PieceWriter {
 public:
  PieceWriter& special(absl::string_view marker) { return append(marker, true); }
  PieceWriter& text(absl::string_view text) { return append(text, false); }
  std::vector<Piece> take() { return std::move(pieces_); }

 private:
  PieceWriter& append(absl::string_view text, bool special) {
    if (text.empty()) return *this;
    if (pieces_.empty() || pieces_.back().special != special) pieces_.push_back({"", special});
    pieces_.back().text.append(text.data(), text.size());
    return *this;
  }

  std::vector<Piece> pieces_;
};

}  // namespace hadal
