#include "lib/text/stop_texts.hpp"

#include <algorithm>
#include <utility>

namespace hadal {

StopTexts::StopTexts(std::vector<std::string> texts) {
  for (std::string& text : texts) {
    if (text.empty()) continue;
    std::vector<size_t> shorter(text.size() + 1, 0);
    for (size_t n = 2, k = 0; n <= text.size(); ++n) {
      while (k > 0 && text[k] != text[n - 1]) k = shorter[k];
      if (text[k] == text[n - 1]) ++k;
      shorter[n] = k;
    }
    patterns_.push_back({std::move(text), std::move(shorter), 0});
  }
}

void StopTexts::push(absl::string_view bytes, std::string& out) {
  if (stopped_) return;
  for (const char byte : bytes) {
    waiting_.push_back(byte);
    size_t found = 0;
    for (Pattern& p : patterns_) {
      while (p.matched > 0 && p.text[p.matched] != byte) p.matched = p.shorter[p.matched];
      if (p.text[p.matched] == byte) ++p.matched;
      if (p.matched == p.text.size()) found = std::max(found, p.matched);
    }
    if (found > 0) {
      stopped_ = true;
      out.append(waiting_, 0, waiting_.size() - found);
      waiting_.clear();
      return;
    }
  }
  size_t held = 0;
  for (const Pattern& p : patterns_) held = std::max(held, p.matched);
  out.append(waiting_, 0, waiting_.size() - held);
  waiting_.erase(0, waiting_.size() - held);
}

void StopTexts::flush(std::string& out) {
  out += waiting_;
  waiting_.clear();
  for (Pattern& p : patterns_) p.matched = 0;
}

}  // namespace hadal
