// What differs between a person at a terminal and a program behind a pipe: colours, and whether a
// bar may be drawn. And where messages go.
#pragma once

#include <string>
#include <string_view>

namespace cli {

enum class Style { kPlain, kDim, kBold, kPrompt, kError };

// Whether the stream is a terminal; colours besides want a TERM that knows them and no NO_COLOR.
bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();
bool stdout_has_colours();
bool stderr_has_colours();

// The text between the codes of its style, or as it is if there are no colours.
std::string styled(std::string_view text, Style style, bool colours);

// Writes to stdout and shows it at once. A pipe that nobody reads ends the program, as usual; a
// full disk is a Failure.
void write_out(std::string_view text);

// A line on stderr, in place of a bar that may stand there.
void write_note(std::string_view text, Style style = Style::kPlain);
void write_error(std::string_view message, std::string_view hint);

// Columns of the terminal on stderr.
int terminal_width();

}  // namespace cli
