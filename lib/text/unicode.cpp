#include "lib/text/unicode.hpp"

namespace hadal {
namespace {

constexpr uint8_t kHanBit = 16;

CharSet classes_of(uint32_t code_point) {
  const size_t block = kUnicodeBlockOf[code_point / kUnicodeBlockSize];
  const uint8_t entry = kUnicodeBlocks[block * kUnicodeBlockSize + code_point % kUnicodeBlockSize];
  const CharSet set = CharSet{1} << (entry & 15);
  return (entry & kHanBit) != 0 ? set | kHan : set;
}

}  // namespace

// The rows of table 3-7 of the Unicode standard: overlong forms, surrogates and what lies above
// U+10FFFF are told by the second byte already, so a broken start never swallows a good character.
Char char_at(absl::string_view text, size_t at) {
  const Utf8Front front = utf8_front(text.substr(at));
  if (front.kind != Utf8Front::kWhole) return {kNoCodePoint, char_set(CharClass::kNone), 1};
  return {front.code_point, classes_of(front.code_point), front.size};
}

}  // namespace hadal
