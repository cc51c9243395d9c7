// Watches a stream of bytes for the first stop text. Bytes that could still become one wait. What
// comes out does not depend on how the bytes were cut.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace hadal {

class StopTexts {
 public:
  explicit StopTexts(std::vector<std::string> texts);  // empty ones are left out

  // Appends to `out` the bytes that are surely before any stop text. The stop text that ends first
  // counts; of several that end together, the longest.
  void push(absl::string_view bytes, std::string& out);
  // Gives out what waits: no more bytes follow, or what follows is another stream.
  void flush(std::string& out);
  bool stopped() const { return stopped_; }

 private:
  // The search of Knuth, Morris and Pratt: how much of the text the latest bytes are the start of.
  struct Pattern {
    std::string text;
    std::vector<size_t> shorter;  // by length: the next shorter start that is also the end
    size_t matched = 0;
  };

  std::vector<Pattern> patterns_;
  std::string waiting_;
  bool stopped_ = false;
};

}  // namespace hadal
