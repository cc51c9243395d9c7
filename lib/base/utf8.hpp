// UTF-8: the character at the front of a text, whether bytes are UTF-8, and a copy of them that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace hadal {

inline constexpr uint32_t kNoCodePoint = 0x110000;  // a byte that is not UTF-8

// How the bytes at the front of a text that is not empty stand to UTF-8.
struct Utf8Front {
  enum Kind : uint8_t { kWhole, kBroken, kUnfinished } kind = kBroken;
  size_t size = 1;  // of the character; of the broken or unfinished start of one
  uint32_t code_point = kNoCodePoint;
};
Utf8Front utf8_front(absl::string_view text);
bool is_utf8(absl::string_view text);

// The text with every byte that is part of no character replaced by U+FFFD.
std::string to_utf8(absl::string_view text);

}  // namespace hadal
