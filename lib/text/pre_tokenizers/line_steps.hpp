// Steps that the rules of DeepSeek-LLM and DeepSeek-Coder share.
#pragma once

#include "lib/text/pre_tokenizers/scan.hpp"

namespace hadal {

// `[\r\n]`
inline Stretch find_line_end(absl::string_view text, size_t begin, size_t end) {
  return find_run(
      text, begin, end, [](const Char& c) { return c.is_line_end(); }, 1);
}

// The two ranges meet at U+4E00 and cover most scripts without upper and lower case.
inline constexpr char kUncasedScriptsPattern[] = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";
inline Stretch find_uncased_scripts(absl::string_view text, size_t begin, size_t end) {
  return find_run(text, begin, end, [](const Char& c) {
    return (c.code_point >= 0x0800 && c.code_point <= 0x9FA5) ||
           (c.code_point >= 0xAC00 && c.code_point <= 0xD7FF);
  });
}

}  // namespace hadal
