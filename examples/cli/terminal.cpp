// ANSI codes, and writes that are checked.
#include "examples/cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "examples/cli/exit_codes.hpp"

namespace cli {
namespace {

bool colours_wanted() {
  const char* no = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no == nullptr || *no == '\0') && term != nullptr && std::strcmp(term, "dumb") != 0;
}

const char* code_of(Style style) {
  switch (style) {
    case Style::kDim: return "\033[2m";
    case Style::kBold: return "\033[1m";
    case Style::kPrompt: return "\033[1;36m";
    case Style::kError: return "\033[1;31m";
    case Style::kPlain: break;
  }
  return "";
}

}  // namespace

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }
bool stdout_has_colours() { return stdout_is_terminal() && colours_wanted(); }
bool stderr_has_colours() { return stderr_is_terminal() && colours_wanted(); }

std::string styled(std::string_view text, Style style, bool colours) {
  if (!colours || style == Style::kPlain) return std::string(text);
  return code_of(style) + std::string(text) + "\033[0m";
}

void write_out(std::string_view text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!whole || std::fflush(stdout) != 0) {
    throw Failure(std::string("cannot write the output: ") + std::strerror(errno),
                  "Is the disk full?");
  }
}

void write_note(std::string_view text, Style style) {
  std::string line = stderr_is_terminal() ? "\r\033[K" : "";
  line += styled(text, style, stderr_has_colours());
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // at once, so that threads do not mix lines
}

void write_error(std::string_view message, std::string_view hint) {
  std::string text = styled("error:", Style::kError, stderr_has_colours());
  text += ' ';
  text += message;
  if (!hint.empty()) {
    text += "\nhint:  ";
    text += hint;
  }
  write_note(text);
}

int terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace cli
