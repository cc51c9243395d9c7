// Channels to styles or tags.
#include "examples/cli/printer.hpp"

#include <hadal/hadal.h>

#include "examples/cli/terminal.hpp"

namespace cli {

Printer::Printer()
    : terminal_(stdout_is_terminal()),
      colours_(stdout_has_colours()),
      channel_(HADAL_CHANNEL_ANSWER) {}

void Printer::change(int32_t channel) {
  if (channel == channel_) return;
  if (channel_ == HADAL_CHANNEL_REASONING) write_out(colours_ ? "\033[0m\n" : "</think>\n");
  if (channel == HADAL_CHANNEL_REASONING) write_out(colours_ ? "\033[2m" : "<think>\n");
  channel_ = channel;
  at_line_start_ = true;
}

void Printer::text(std::string_view text, int32_t channel) {
  if (text.empty()) return;
  change(channel);
  write_out(text);
  at_line_start_ = text.back() == '\n';
}

void Printer::end() {
  if (!at_line_start_) write_out("\n");
  at_line_start_ = true;
  change(HADAL_CHANNEL_ANSWER);
}

}  // namespace cli
