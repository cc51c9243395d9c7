// Any text as tiktoken.model, and what stands behind a byte 0 as tokenizer_config.json:
// check_vocabulary.hpp says what must come of it. Where the first byte is a '+', lines for the 256
// bytes are put in its place, which no accident would write.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/checkpoint/tiktoken_model.hpp"
#include "tests/fuzz/check_vocabulary.hpp"

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
  hadal::fuzz::check_vocabulary(hadal::read_tiktoken_model(
      model, input.substr(std::min(end + 1, input.size())),
      size % 2 == 0 ? std::nullopt : std::optional(300), "tiktoken.model"));
  return 0;
}
