#include "lib/text/byte_alphabet.hpp"

#include <array>

#include "lib/text/unicode.hpp"

namespace hadal {
namespace {

constexpr uint32_t kFirstMoved = 0x100;
constexpr size_t kMoved = 68;

constexpr bool stands_for_itself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<uint8_t, kMoved> moved_bytes() {
  std::array<uint8_t, kMoved> moved{};
  size_t n = 0;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    if (!stands_for_itself(byte)) moved[n++] = static_cast<uint8_t>(byte);
  }
  return moved;
}

constexpr std::array<uint8_t, kMoved> kMovedBytes = moved_bytes();

constexpr std::array<uint16_t, 256> letters() {
  std::array<uint16_t, 256> letters{};
  for (uint32_t byte = 0; byte < 256; ++byte) letters[byte] = static_cast<uint16_t>(byte);
  for (size_t i = 0; i < kMoved; ++i) {
    letters[kMovedBytes[i]] = static_cast<uint16_t>(kFirstMoved + i);
  }
  return letters;
}

constexpr std::array<uint16_t, 256> kLetters = letters();

}  // namespace

uint32_t letter_of_byte(uint8_t byte) { return kLetters[byte]; }

std::optional<uint8_t> byte_of_letter(uint32_t code_point) {
  if (code_point < kFirstMoved) {
    if (!stands_for_itself(code_point)) return std::nullopt;
    return static_cast<uint8_t>(code_point);
  }
  if (code_point - kFirstMoved >= kMoved) return std::nullopt;
  return kMovedBytes[code_point - kFirstMoved];
}

std::optional<std::string> bytes_of_spelling(absl::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  while (!spelling.empty()) {
    const Utf8Front front = utf8_front(spelling);
    const std::optional<uint8_t> byte = byte_of_letter(front.code_point);
    if (!byte) return std::nullopt;
    bytes.push_back(static_cast<char>(*byte));
    spelling.remove_prefix(front.size);
  }
  return bytes;
}

std::string spelling_of_bytes(absl::string_view bytes) {
  std::string spelling;
  for (const char c : bytes) {
    const uint32_t letter = letter_of_byte(static_cast<uint8_t>(c));
    if (letter < 0x80) {
      spelling.push_back(static_cast<char>(letter));
    } else {  // at most U+0143: two bytes
      spelling.push_back(static_cast<char>(0xC0 | letter >> 6));
      spelling.push_back(static_cast<char>(0x80 | (letter & 0x3F)));
    }
  }
  return spelling;
}

}  // namespace hadal
