// Writes an answer to stdout as it comes. Reasoning is dimmed on a terminal with colours; elsewhere
// it stands between <think> and </think>, as the models write it.
#pragma once

#include <cstdint>
#include <string_view>

namespace cli {

class Printer {
 public:
  Printer();
  void text(std::string_view text, int32_t channel);
  // Back to the plain style, and to the beginning of a line where a person reads.
  void end();

 private:
  void change(int32_t channel);
  bool terminal_, colours_;
  int32_t channel_;
  bool at_line_start_ = true;
};

}  // namespace cli
