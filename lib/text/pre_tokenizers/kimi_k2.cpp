// Kimi-K2 and Moonlight: one expression. Han characters apart, words that also end where a capital
// follows a small letter, an English contraction kept with its word, digits by three.
#include "lib/text/pre_tokenizers/scan.hpp"

namespace hadal {
namespace {

bool is_upper_part(const Char& c) { return c.is(kUpper | kOther | kMark) && !c.is(kHan); }
bool is_lower_part(const Char& c) { return c.is(kLower | kOther | kMark) && !c.is(kHan); }

// `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`, where U+017F, the long s, is an s as well.
size_t contraction_end(absl::string_view text, size_t at, size_t end) {
  const absl::string_view rest = text.substr(at, end - at);
  if (rest.empty() || rest[0] != '\'') return at;
  const auto letter = [&](size_t i) {
    return i < rest.size() ? static_cast<char>(rest[i] | 0x20) : '\0';
  };
  const char a = letter(1), b = letter(2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
  if (rest.substr(1, 2) == "\u017F") return at + 3;
  return at;
}

// `[upper part]*[lower part]+` at `at`; `at` itself if it does not match. Letters without case and
// marks belong to both parts: where no small letter ends the run of the first part, the second one
// takes back the last of those.
size_t small_word_end(absl::string_view text, size_t at, size_t end) {
  size_t run = at, last_shared_end = at;
  while (run < end) {
    const Char c = char_at(text, run);
    if (!is_upper_part(c)) break;
    run += c.size;
    if (is_lower_part(c)) last_shared_end = run;
  }
  const size_t word = run_end(text, run, end, is_lower_part);
  return word > run ? word : last_shared_end;
}

// `[upper part]+[lower part]*`
size_t capital_word_end(absl::string_view text, size_t at, size_t end) {
  const size_t run = run_end(text, at, end, is_upper_part);
  return run == at ? at : run_end(text, run, end, is_lower_part);
}

// The alternatives at one place, in their order; `at` itself if none matches there.
size_t match_end(absl::string_view text, size_t at, size_t end) {
  const Char first = char_at(text, at);
  const size_t next = at + first.size;
  if (first.is(kHan)) return run_end(text, at, end, kHan);

  // Either kind of word may have a character before it that is no line end, letter or number.
  const bool is_prefix = !first.is_line_end() && !first.is(kLetter | kNumber);
  for (const auto word_end : {small_word_end, capital_word_end}) {
    if (is_prefix) {
      if (const size_t word = word_end(text, next, end); word > next) {
        return contraction_end(text, word, end);
      }
    }
    if (const size_t word = word_end(text, at, end); word > at) {
      return contraction_end(text, word, end);
    }
  }
  if (first.is(kNumber)) {
    return find_run(
               text, at, end, [](const Char& c) { return c.is(kNumber); }, 3)
        .end;
  }
  const auto is_other = [](const Char& c) { return !c.is(kSpace | kLetter | kNumber); };
  if (is_other(first)) return line_ends_end(text, run_end(text, at, end, is_other), end);
  if (first.code_point == ' ' && next < end && is_other(char_at(text, next))) {
    return line_ends_end(text, run_end(text, next, end, is_other), end);
  }
  return white_space_end(text, at, end);
}

// Every character is in one of the alternatives, so a match begins where the last one ended.
Stretch find_word(absl::string_view text, size_t begin, size_t end) {
  return {begin, match_end(text, begin, end)};
}

constexpr PreTokenizer::Step kSteps[] = {
    {R"re([\p{Han}]+)re"
     R"re(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)re"
     R"re([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)re"
     R"re(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)re"
     R"re([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)re"
     R"re(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re",
     find_word},
};

}  // namespace

constinit const PreTokenizer kKimiK2PreTokenizer = {"kimi-k2", kSteps};

}  // namespace hadal
