// One line, drawn over itself at most ten times a second.
#include "examples/cli/progress.hpp"

#include <algorithm>
#include <cstdio>

#include "examples/cli/terminal.hpp"

namespace cli {

Progress::Progress(std::string what, bool shown, bool with_remaining)
    : what_(std::move(what)),
      shown_(shown && stderr_is_terminal()),
      with_remaining_(with_remaining),
      started_(Clock::now()) {}

Progress::~Progress() { erase(); }

// As if the rest went as what is done. Nothing where that says little yet.
std::string Progress::remaining(double part) const {
  const std::chrono::duration<double> passed = Clock::now() - started_;
  if (!with_remaining_ || part < 0.005 || passed.count() < 2.0) return "";
  const auto seconds = static_cast<long long>(passed.count() / part * (1.0 - part)) + 1;
  char text[40];
  if (seconds < 3600) {
    std::snprintf(text, sizeof text, "  %lld:%02lld left", seconds / 60, seconds % 60);
  } else {
    std::snprintf(text, sizeof text, "  %lld:%02lld h left", seconds / 3600, seconds / 60 % 60);
  }
  return text;
}

void Progress::show(double part) {
  using std::chrono::milliseconds;
  const auto now = Clock::now();
  if (!shown_ || now - started_ < milliseconds(300)) return;
  if (drawn_ && now - last_ < milliseconds(100)) return;
  last_ = now;
  drawn_ = true;

  part = std::clamp(part, 0.0, 1.0);
  const std::string left = remaining(part);
  const int room = terminal_width() - static_cast<int>(what_.size() + left.size()) - 9;
  const int width = std::clamp(room, 0, 40);
  const int full = static_cast<int>(part * width);
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < full ? '#' : '-';
  char percent[16];
  std::snprintf(percent, sizeof percent, "%3.0f %%", part * 100.0);
  const std::string line = "\r\033[K" + what_ + " " + bar + " " + percent + left;
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void Progress::erase() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

}  // namespace cli
