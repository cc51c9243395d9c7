// Pre-tokenizers: the rules that cut a text into pieces before BPE, which never merges across a
// cut. A vocabulary works only with the rules it was trained with. They are published as regular
// expressions; here each is a scanner written by hand.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace hadal {

// One step of the rules: finds where the leftmost match in text[begin, end) lies, as if nothing
// stood beyond `end`. An empty stretch at `end` if there is none.
struct Stretch {
  size_t begin = 0, end = 0;
};
using FindMatch = Stretch (*)(absl::string_view text, size_t begin, size_t end);

struct PreTokenizer {
  const char* name;  // as in the GGUF key tokenizer.ggml.pre
  // The step as the regular expression of a tokenizer.json, and the scanner that does the same.
  struct Step {
    const char* pattern;
    FindMatch find;
  };
  std::span<const Step> steps;
};

// All there are.
std::span<const PreTokenizer* const> pre_tokenizers();
const PreTokenizer* find_pre_tokenizer(absl::string_view name);  // null: no such one

// Cuts the text: each step is applied to every piece that the one before left; a match becomes a
// piece, and so does what lies between two matches. The pieces, in order, are the text.
void split(const PreTokenizer& rules, absl::string_view text,
           absl::FunctionRef<void(absl::string_view piece)> sink);

// lib/text/pre_tokenizers/
extern const PreTokenizer kDeepseekV3PreTokenizer;
extern const PreTokenizer kDeepseekLlmPreTokenizer;
extern const PreTokenizer kDeepseekCoderPreTokenizer;
extern const PreTokenizer kKimiK2PreTokenizer;

}  // namespace hadal
