// Asking the tokenizer, and not a list, which tokens there are.
#include "examples/cli/prompt.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/interrupt.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

constexpr size_t kLongestName = 64;

// <|name|> as the models' authors write it: full-width bars, and U+2581 for spaces.
std::string with_wide_bars(const std::string& name) {
  std::string wide = "<\uFF5C";
  for (const char c : name) {
    if (c == ' ' || c == '_') {
      wide += "\u2581";
    } else {
      wide += c;
    }
  }
  return wide + "\uFF5C>";
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

std::string read_stdin() {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
    if (n == 0) break;
    if (n > 0) {
      text.append(buffer, static_cast<size_t>(n));
    } else if (interrupt::pending()) {
      throw Interrupted{};
    } else if (errno != EINTR) {
      throw Failure(std::string("cannot read stdin: ") + std::strerror(errno), "");
    }
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (!text.empty() && text.back() == '\r') text.pop_back();
  return text;
}

std::vector<std::pair<std::string, std::string>> ascii_bars(const hadal::Tokenizer& tokenizer,
                                                            const std::string& text) {
  std::vector<std::pair<std::string, std::string>> found;
  for (size_t at = 0; (at = text.find("<|", at)) != std::string::npos; at += 2) {
    const size_t end = text.find("|>", at + 2);
    if (end == std::string::npos) break;
    if (end - at - 2 > kLongestName) continue;
    const std::string written = text.substr(at, end + 2 - at);
    const std::string meant = with_wide_bars(text.substr(at + 2, end - at - 2));
    const auto same = [&](const auto& pair) { return pair.first == written; };
    if (std::find_if(found.begin(), found.end(), same) != found.end()) continue;
    if (tokenizer.encode(meant, HADAL_TEXT_SPECIAL).size() == 1 &&
        tokenizer.encode(written, HADAL_TEXT_SPECIAL).size() > 1) {
      found.emplace_back(written, meant);
    }
  }
  return found;
}

std::string check_bars(const hadal::Tokenizer& tokenizer, std::string text, bool fix) {
  for (const auto& [written, meant] : ascii_bars(tokenizer, text)) {
    if (fix) {
      replace_all(text, written, meant);
    } else {
      write_note("warning: '" + written + "' has ASCII bars and is plain text to this model; its " +
                 "token is '" + meant + "' (U+FF5C). --fix-bars reads it so.");
    }
  }
  return text;
}

}  // namespace cli
