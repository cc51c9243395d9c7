// What the scanners of the pre-tokenizers share: runs of characters, and the rules about white
// space with which several of them end.
#pragma once

#include "lib/text/pre_tokenizer.hpp"
#include "lib/text/unicode.hpp"

namespace hadal {

// The end of the longest run from `at` of characters for which `wanted` holds.
template <class Wanted>
size_t run_end(absl::string_view text, size_t at, size_t end, Wanted&& wanted) {
  while (at < end) {
    const Char c = char_at(text, at);
    if (!wanted(c)) break;
    at += c.size;
  }
  return at;
}

inline size_t run_end(absl::string_view text, size_t at, size_t end, CharSet set) {
  return run_end(text, at, end, [set](const Char& c) { return c.is(set); });
}

inline size_t line_ends_end(absl::string_view text, size_t at, size_t end) {
  while (at < end && (text[at] == '\r' || text[at] == '\n')) ++at;
  return at;
}

// `[wanted]+`, at most `most` characters of it.
template <class Wanted>
Stretch find_run(absl::string_view text, size_t begin, size_t end, Wanted&& wanted, int most = -1) {
  while (begin < end) {
    const Char c = char_at(text, begin);
    if (wanted(c)) break;
    begin += c.size;
  }
  Stretch match{begin, begin};
  for (int n = 0; match.end < end && n != most; ++n) {
    const Char c = char_at(text, match.end);
    if (!wanted(c)) break;
    match.end += c.size;
  }
  return match;
}

// `\s?[wanted]+`
template <class Wanted>
Stretch find_run_after_space(absl::string_view text, size_t begin, size_t end, Wanted&& wanted) {
  while (begin < end) {
    const Char first = char_at(text, begin);
    const size_t next = begin + first.size;
    if (wanted(first)) return {begin, run_end(text, begin, end, wanted)};
    if (first.is(kSpace) && next < end && wanted(char_at(text, next))) {
      return {begin, run_end(text, next, end, wanted)};
    }
    begin = next;
  }
  return {end, end};
}

// `\s*[\r\n]+|\s+(?!\S)|\s+` at a white space: up to the last line end of the run, if it has one;
// else the run, less its last character if something follows that would take it as its prefix.
inline size_t white_space_end(absl::string_view text, size_t at, size_t end) {
  size_t run = at, last = at, line_end = at;
  while (run < end) {
    const Char c = char_at(text, run);
    if (!c.is(kSpace)) break;
    last = run;
    run += c.size;
    if (c.is_line_end()) line_end = run;
  }
  if (line_end > at) return line_end;
  return run == end || last == at ? run : last;
}

}  // namespace hadal
