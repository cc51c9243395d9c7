// UTF-8 and the classes of characters that the pre-tokenizers' rules speak of. Bytes that are not
// UTF-8 count as characters of no class, one each, so that every text can be cut and put together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "lib/base/utf8.hpp"

namespace hadal {

// Exclusive. Order as in make_unicode_table.py.
enum class CharClass : uint8_t {
  kNone,    // controls, format characters, unassigned
  kUpper,   // Lu, Lt
  kLower,   // Ll
  kOther,   // Lm, Lo
  kMark,    // M
  kNumber,  // N
  kPunctuation,
  kSymbol,
  kSpace,  // White_Space
};

// A set of classes, as a mask of bits. kHan comes besides a class.
using CharSet = uint32_t;
constexpr CharSet char_set(CharClass c) { return CharSet{1} << static_cast<uint32_t>(c); }
inline constexpr CharSet kUpper = char_set(CharClass::kUpper);
inline constexpr CharSet kLower = char_set(CharClass::kLower);
inline constexpr CharSet kOther = char_set(CharClass::kOther);
inline constexpr CharSet kLetter = kUpper | kLower | kOther;
inline constexpr CharSet kMark = char_set(CharClass::kMark);
inline constexpr CharSet kNumber = char_set(CharClass::kNumber);
inline constexpr CharSet kPunctuation = char_set(CharClass::kPunctuation);
inline constexpr CharSet kSymbol = char_set(CharClass::kSymbol);
inline constexpr CharSet kSpace = char_set(CharClass::kSpace);
inline constexpr CharSet kHan = 1u << 16;

struct Char {
  uint32_t code_point = kNoCodePoint;
  CharSet classes = 0;
  size_t size = 1;  // in bytes

  bool is(CharSet set) const { return (classes & set) != 0; }
  bool is_line_end() const { return code_point == '\r' || code_point == '\n'; }
};

// unicode_table.cpp
inline constexpr size_t kUnicodeBlockSize = 128;
extern const uint8_t kUnicodeBlockOf[0x110000 / kUnicodeBlockSize];
extern const uint8_t kUnicodeBlocks[];

// Of a code point below 0x110000.
inline CharSet classes_of(uint32_t code_point) {
  constexpr uint8_t kHanBit = 16;
  const size_t block = kUnicodeBlockOf[code_point / kUnicodeBlockSize];
  const uint8_t entry = kUnicodeBlocks[block * kUnicodeBlockSize + code_point % kUnicodeBlockSize];
  const CharSet set = CharSet{1} << (entry & 15);
  return (entry & kHanBit) != 0 ? set | kHan : set;
}

// The character at `at`, which must be inside the text.
Char wide_char_at(absl::string_view text, size_t at);
inline Char char_at(absl::string_view text, size_t at) {
  const auto byte = static_cast<uint8_t>(text[at]);
  if (byte < 0x80) return {byte, classes_of(byte), 1};
  return wide_char_at(text, at);
}

}  // namespace hadal
