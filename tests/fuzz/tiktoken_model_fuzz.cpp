// Any text as tiktoken.model, and what stands behind a byte 0 as tokenizer_config.json: an error
// with a hint, or a vocabulary; and where that makes a tokenizer, a fixed text survives the way to
// ids and back. Where the first byte is a '+', lines for the 256 bytes are put in its place, which
// no accident would write.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/checkpoint/tiktoken_model.hpp"
#include "lib/text/tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  std::string model = input.substr(0, end);
  if (!model.empty() && model[0] == '+') {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) {
      absl::StrAppend(&bytes, absl::Base64Escape(std::string(1, static_cast<char>(byte))), " ",
                      byte, "\n");
    }
    model.replace(0, 1, bytes);
  }
  auto vocabulary = hadal::read_tiktoken_model(model, input.substr(std::min(end + 1, input.size())),
                                               size % 2 == 0 ? std::nullopt : std::optional(300),
                                               "tiktoken.model");
  if (!vocabulary.ok()) {
    HADAL_CHECK(!hadal::hint_of(vocabulary.status()).empty());
    const hadal_status code = hadal::code_of(vocabulary.status());
    HADAL_CHECK(code == HADAL_E_FORMAT || code == HADAL_E_UNSUPPORTED);
    return 0;
  }
  const auto tokenizer = hadal::Tokenizer::create(*std::move(vocabulary));
  if (!tokenizer.ok()) {
    HADAL_CHECK(!hadal::hint_of(tokenizer.status()).empty());
    return 0;
  }
  const std::string text = "Hello! ab 12345\r\n\xE6\xAF\x95\xE8\x80\x81 <s>\t\xF0\x9F\x98\x80 abab";
  for (const bool parse_special : {false, true}) {
    const auto ids = (*tokenizer)->encode(text, parse_special);
    HADAL_CHECK(ids.size() <= text.size());
    HADAL_CHECK((*tokenizer)->decode(ids, true) == text);
  }
  return 0;
}
