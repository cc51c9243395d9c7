// Typing a line: editing and history on a terminal, plain reading elsewhere.
#pragma once

#include <memory>
#include <string>

namespace cli {

class LineEditor {
 public:
  enum class Result { kLine, kEnd, kInterrupted };

  // history_file may be empty: then history lasts as long as the program.
  explicit LineEditor(const std::string& history_file);
  ~LineEditor();

  // A line without its break. A line that ends in a backslash goes on in the next.
  Result read(std::string& line);

 private:
  struct Terminal;
  Result read_once(const char* prompt, std::string& line);
  std::unique_ptr<Terminal> terminal_;  // absent where stdin is no terminal
};

}  // namespace cli
