#include "lib/text/unicode.hpp"

namespace hadal {

Char wide_char_at(absl::string_view text, size_t at) {
  const Utf8Front front = utf8_front(text.substr(at));
  if (front.kind != Utf8Front::kWhole) return {kNoCodePoint, char_set(CharClass::kNone), 1};
  return {front.code_point, classes_of(front.code_point), front.size};
}

}  // namespace hadal
