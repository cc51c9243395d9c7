// Runs a model through a window of text and gives what it expected at each scored token.
#pragma once

#include <cstdint>
#include <hadal/hadal.hpp>
#include <vector>

#include "examples/cli/engine.hpp"
#include "examples/cli/scored_text.hpp"

namespace cli {

class WindowReader {
 public:
  WindowReader(Engine& engine, const hadal::Model& model, const Window& window);

  // Log-probabilities of all words at token `at` of the window: scored, and no less than in the
  // call before. Logits are kept for some tokens at a time.
  void read(size_t at, std::vector<float>& log_p);

 private:
  void compute(size_t end, bool keep);  // the window's tokens up to there

  Engine& engine_;
  const Window& window_;
  hadal::Session session_;
  hadal::Request kept_;
  size_t n_words_ = 0, computed_ = 0, slice_ = 0;
};

// Rows of logits: words that the model has weights for.
size_t words_of(const hadal::Model& model);

}  // namespace cli
