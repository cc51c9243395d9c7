// DeepSeek-V3, R1, V3.1: digits by three from the left first, then runs of Chinese characters and
// kana, then words, symbols and white space. The steps cut one after the other, so that a space
// before a number stays alone and `(?!\S)` sees the end of a piece where a number begins.
#include "lib/text/pre_tokenizers/scan.hpp"

namespace hadal {
namespace {

Stretch find_number(absl::string_view text, size_t begin, size_t end) {
  return find_run(
      text, begin, end, [](const Char& c) { return c.is(kNumber); }, 3);
}

Stretch find_cjk(absl::string_view text, size_t begin, size_t end) {
  return find_run(text, begin, end, [](const Char& c) {
    return (c.code_point >= 0x4E00 && c.code_point <= 0x9FA5) ||
           (c.code_point >= 0x3040 && c.code_point <= 0x30FF);
  });
}

bool is_ascii_letter(uint32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_ascii_punctuation(uint32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// The alternatives at one place, in their order; `at` itself if none matches there.
size_t match_end(absl::string_view text, size_t at, size_t end) {
  const Char first = char_at(text, at);
  const size_t next = at + first.size;
  const Char second = next < end ? char_at(text, next) : Char{};

  // One of the 32 ASCII marks and a word.
  if (is_ascii_punctuation(first.code_point) && is_ascii_letter(second.code_point)) {
    return run_end(text, next, end, [](const Char& c) { return is_ascii_letter(c.code_point); });
  }
  // A word, with the character before it if that is no line end, letter, punctuation or symbol.
  if (first.is(kLetter | kMark)) return run_end(text, at, end, kLetter | kMark);
  if (!first.is_line_end() && !first.is(kPunctuation | kSymbol) && second.is(kLetter | kMark)) {
    return run_end(text, next, end, kLetter | kMark);
  }
  // Symbols, with one space before and the line ends behind.
  if (first.is(kPunctuation | kSymbol)) {
    return line_ends_end(text, run_end(text, at, end, kPunctuation | kSymbol), end);
  }
  if (first.code_point == ' ' && second.is(kPunctuation | kSymbol)) {
    return line_ends_end(text, run_end(text, next, end, kPunctuation | kSymbol), end);
  }
  return first.is(kSpace) ? white_space_end(text, at, end) : at;
}

// Characters that nothing matches (controls, format characters) lie between two matches.
Stretch find_word(absl::string_view text, size_t begin, size_t end) {
  while (begin < end) {
    const size_t matched = match_end(text, begin, end);
    if (matched > begin) return {begin, matched};
    begin += char_at(text, begin).size;
  }
  return {end, end};
}

constexpr PreTokenizer::Step kSteps[] = {
    {R"(\p{N}{1,3})", find_number},
    {"[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", find_cjk},
    {R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)re"
     R"re(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)re"
     R"re(| ?[\p{P}\p{S}]+[\r\n]*)re"
     R"re(|\s*[\r\n]+|\s+(?!\S)|\s+)re",
     find_word},
};

}  // namespace

constinit const PreTokenizer kDeepseekV3PreTokenizer = {"deepseek-v3", kSteps};

}  // namespace hadal
