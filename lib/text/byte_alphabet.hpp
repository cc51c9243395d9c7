// The byte alphabet of GPT-2: vocabularies spell each byte as a printable character, so that tokens
// can be written as text. A space is U+0120, a line feed U+010A.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace hadal {

// 0x21..0x7E, 0xA1..0xAC and 0xAE..0xFF stand for themselves; the other 68 bytes, in order, are
// U+0100, U+0101 and so on.
uint32_t letter_of_byte(uint8_t byte);
std::optional<uint8_t> byte_of_letter(uint32_t code_point);

// The bytes that a token's text spells; nothing if a character is outside the alphabet.
std::optional<std::string> bytes_of_spelling(absl::string_view spelling);
std::string spelling_of_bytes(absl::string_view bytes);

}  // namespace hadal
