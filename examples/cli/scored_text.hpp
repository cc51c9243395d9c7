// A text cut into windows of one context each, and which of its tokens each window scores. The
// first two ways are those of llama.cpp's llama-perplexity, so that numbers can be compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace cli {

struct Window {
  std::vector<int32_t> tokens;  // BOS in front, where the model wants one
  size_t first_scored = 1;      // tokens from here on are scored, each by what stands before it
  size_t n_scored() const { return tokens.size() - first_scored; }
};

// Windows that follow each other, of which the second half is scored, so that every token scored
// has at least half a context before it: tokens from context / 2 + 1 on. `text` begins with BOS
// already if the model wants one; BOS takes the place of the first token of every later window.
// What is left at the end is not used.
std::vector<Window> half_scored_windows(const std::vector<int32_t>& text,
                                        std::optional<int32_t> bos, size_t context);

// Every token of the text is scored once. A window begins `stride` tokens behind the one before it,
// and scores those that the ones before it have not scored; the last one ends with the text. With a
// stride of 0 windows follow each other, and the last one is shorter. BOS stands in front of each,
// besides the text. Without one, a token that nothing stands before is not scored.
std::vector<Window> all_scored_windows(const std::vector<int32_t>& text, std::optional<int32_t> bos,
                                       size_t context, size_t stride);

}  // namespace cli
