// Where prompts come from, and what is often wrong with them.
#pragma once

#include <hadal/hadal.hpp>
#include <string>
#include <utility>
#include <vector>

namespace cli {

// All of stdin, less one line break at its end. Failure, Interrupted.
std::string read_stdin();

// Special tokens that the text spells with ASCII bars, as web pages often show them: <|User|> is
// plain text, the token is <｜User｜> (U+FF5C). Pairs of what stands there and what was meant; only
// tokens that this model has.
std::vector<std::pair<std::string, std::string>> ascii_bars(const hadal::Tokenizer& tokenizer,
                                                            const std::string& text);

// Tells the person about them on stderr; with `fix`, returns the text with the tokens that were
// meant.
std::string check_bars(const hadal::Tokenizer& tokenizer, std::string text, bool fix);

}  // namespace cli
