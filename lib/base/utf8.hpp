// Whether bytes are UTF-8, and a copy of them that is.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace hadal {

// Bytes of the character at the front of `text`: 1 to 4, or 0 if it is none, cut short included.
// Overlong forms, surrogates and what is beyond U+10FFFF are no characters.
int utf8_length(absl::string_view text);

bool is_utf8(absl::string_view text);

// The text with every byte that is part of no character replaced by U+FFFD.
std::string to_utf8(absl::string_view text);

}  // namespace hadal
