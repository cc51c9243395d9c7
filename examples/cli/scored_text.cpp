#include "examples/cli/scored_text.hpp"

#include <algorithm>

namespace cli {

std::vector<Window> half_scored_windows(const std::vector<int32_t>& text,
                                        std::optional<int32_t> bos, size_t context) {
  std::vector<Window> windows;
  for (size_t first = 0; first + context <= text.size(); first += context) {
    const auto begin = text.begin() + static_cast<ptrdiff_t>(first);
    Window window{{begin, begin + static_cast<ptrdiff_t>(context)}, context / 2 + 1};
    if (bos) window.tokens.front() = *bos;
    windows.push_back(std::move(window));
  }
  return windows;
}

std::vector<Window> all_scored_windows(const std::vector<int32_t>& text, std::optional<int32_t> bos,
                                       size_t context, size_t stride) {
  const size_t n_bos = bos ? 1 : 0, room = context - n_bos;
  const size_t step = stride == 0 ? room : std::min(stride, room);
  std::vector<Window> windows;
  for (size_t scored = 0; scored < text.size();) {
    const size_t end = std::min(scored == 0 ? room : scored + step, text.size());
    const size_t first = stride == 0 ? scored : end - std::min(end, room);
    Window window;
    if (bos) window.tokens.push_back(*bos);
    window.tokens.insert(window.tokens.end(), text.begin() + static_cast<ptrdiff_t>(first),
                         text.begin() + static_cast<ptrdiff_t>(end));
    window.first_scored = std::max<size_t>(1, n_bos + scored - first);
    scored = end;
    if (window.first_scored < window.tokens.size()) windows.push_back(std::move(window));
  }
  return windows;
}

}  // namespace cli
