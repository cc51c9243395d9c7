// DeepSeek-Coder: line ends one by one, then words and punctuation with a white space before them,
// runs of scripts without case, digits one by one.
#include "lib/text/pre_tokenizers/line_steps.hpp"

namespace hadal {
namespace {

Stretch find_word(absl::string_view text, size_t begin, size_t end) {
  return find_run_after_space(text, begin, end, [](const Char& c) { return c.is(kLetter); });
}

Stretch find_punctuation(absl::string_view text, size_t begin, size_t end) {
  return find_run_after_space(text, begin, end, [](const Char& c) { return c.is(kPunctuation); });
}

Stretch find_digit(absl::string_view text, size_t begin, size_t end) {
  return find_run(
      text, begin, end, [](const Char& c) { return c.is(kNumber); }, 1);
}

constexpr PreTokenizer::Step kSteps[] = {
    {R"([\r\n])", find_line_end},       {R"(\s?\p{L}+)", find_word},
    {R"(\s?\p{P}+)", find_punctuation}, {kUncasedScriptsPattern, find_uncased_scripts},
    {R"(\p{N})", find_digit},
};

}  // namespace

constinit const PreTokenizer kDeepseekCoderPreTokenizer = {"deepseek-coder", kSteps};

}  // namespace hadal
