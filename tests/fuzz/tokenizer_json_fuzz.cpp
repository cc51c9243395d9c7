// Any text as tokenizer.json, and what stands behind a byte 0 as tokenizer_config.json: an error
// with a hint, or a vocabulary; and where that makes a tokenizer, a fixed text survives the way to
// ids and back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "lib/checkpoint/tokenizer_json.hpp"
#include "lib/text/tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  auto vocabulary = hadal::read_tokenizer_json(
      input.substr(0, end), input.substr(std::min(end + 1, input.size())), "tokenizer.json");
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
