// Any text as tokenizer.json, and what stands behind a byte 0 as tokenizer_config.json:
// check_vocabulary.hpp says what must come of it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/checkpoint/tokenizer_json.hpp"
#include "tests/fuzz/check_vocabulary.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  hadal::fuzz::check_vocabulary(hadal::read_tokenizer_json(
      input.substr(0, end), input.substr(std::min(end + 1, input.size())), "tokenizer.json"));
  return 0;
}
