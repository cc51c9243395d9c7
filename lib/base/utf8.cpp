#include "lib/base/utf8.hpp"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace hadal {

int utf8_length(absl::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;  // a continuation, an overlong form, or too large
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogates
  if (first == 0xF0 && byte(1) < 0x90) return 0;  // overlong
  if (first == 0xF4 && byte(1) > 0x8F) return 0;  // beyond U+10FFFF
  return static_cast<int>(length);
}

bool is_utf8(absl::string_view text) {
  while (!text.empty()) {
    const int n = utf8_length(text);
    if (n == 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string to_utf8(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const int n = utf8_length(text);
    const auto length = static_cast<size_t>(n == 0 ? 1 : n);
    absl::StrAppend(&out, n == 0 ? absl::string_view("\xEF\xBF\xBD") : text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace hadal
