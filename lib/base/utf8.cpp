#include "lib/base/utf8.hpp"

#include "absl/strings/str_cat.h"

namespace hadal {

Utf8Front utf8_front(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {Utf8Front::kWhole, 1, lead};

  size_t size = 0;
  uint8_t low = 0x80, high = 0xBF;
  uint32_t code_point = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
    code_point = lead & 0x1Fu;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    code_point = lead & 0x0Fu;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    code_point = lead & 0x07u;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {Utf8Front::kBroken, 1, kNoCodePoint};
  }
  for (size_t i = 1; i < size; ++i) {
    if (i == text.size()) return {Utf8Front::kUnfinished, i, kNoCodePoint};
    if (byte(i) < low || byte(i) > high) return {Utf8Front::kBroken, i, kNoCodePoint};
    code_point = code_point << 6 | (byte(i) & 0x3Fu);
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8Front::kWhole, size, code_point};
}

bool is_utf8(absl::string_view text) {
  while (!text.empty()) {
    const Utf8Front front = utf8_front(text);
    if (front.kind != Utf8Front::kWhole) return false;
    text.remove_prefix(front.size);
  }
  return true;
}

std::string to_utf8(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Front front = utf8_front(text);
    absl::StrAppend(&out, front.kind == Utf8Front::kWhole ? text.substr(0, front.size)
                                                          : absl::string_view("\xEF\xBF\xBD"));
    text.remove_prefix(front.size);
  }
  return out;
}

}  // namespace hadal
