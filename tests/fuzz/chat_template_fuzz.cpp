// A template and a conversation: recognition answers with a format or a status that names the way
// out; rendering twice gives the same; the text grows no faster than what was said; what people
// wrote is in no special stretch. Lines of the input: the first up to a byte 0 is the template,
// then each up to a byte 0 is a message as JSON, or else a user's text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lib/text/chat_format.hpp"

namespace {

bool same(const std::vector<hadal::Piece>& a, const std::vector<hadal::Piece>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.special == y.special && x.text == y.text;
  });
}

void check_rendering(const hadal::ChatFormat& format, const std::vector<hadal::Message>& messages,
                     size_t said, const hadal::ChatOptions& options) {
  const auto once = format.render(messages, options);
  const auto twice = format.render(messages, options);
  HADAL_CHECK(once.ok() == twice.ok());
  if (!once.ok()) {
    HADAL_CHECK(hadal::code_of(once.status()) == HADAL_E_UNSUPPORTED);
    return;
  }
  HADAL_CHECK(same(*once, *twice));
  size_t size = 0;
  for (const hadal::Piece& piece : *once) {
    HADAL_CHECK(!piece.text.empty());
    HADAL_CHECK(!piece.special || piece.text.find("\x01") == std::string::npos);
    size += piece.text.size();
  }
  // A call takes more markers than JSON; its name may stand in front of each result as well.
  HADAL_CHECK(size <= 4096 + (16 + messages.size()) * said + 600 * messages.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(data, data + size);
  const size_t end = std::min(input.find('\0'), input.size());
  const auto recognised = hadal::recognise_chat_format(absl::string_view(input).substr(0, end));
  if (!recognised.ok()) {
    HADAL_CHECK(hadal::code_of(recognised.status()) == HADAL_E_UNSUPPORTED);
    HADAL_CHECK(hadal::hint_of(recognised.status()).find("chat_format") != std::string::npos);
  }

  std::vector<hadal::Message> messages;
  for (size_t at = end + 1; at < input.size() && messages.size() < 64;) {
    const size_t stop = std::min(input.find('\0', at), input.size());
    const std::string one = input.substr(at, stop - at);
    auto message = hadal::message_from_json(one);
    // A byte that no format writes marks what was said.
    messages.push_back(message.ok() ? *std::move(message)
                                    : hadal::Message{hadal::Role::kUser, "\x01" + one});
    at = stop + 1;
  }
  for (const bool prompt : {false, true}) {
    for (const bool thinking : {false, true}) {
      const hadal::ChatOptions options = {prompt, thinking};
      if (recognised.ok()) check_rendering(**recognised, messages, size, options);
      for (const char* name : hadal::chat_format_names()) {
        check_rendering(**hadal::chat_format(name), messages, size, options);
      }
    }
  }
  return 0;
}
