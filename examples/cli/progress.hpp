// A bar on stderr, for work that lasts: drawn only on a terminal, only after a moment, and gone
// when the work is done.
#pragma once

#include <chrono>
#include <string>

namespace cli {

class Progress {
 public:
  // `shown` false makes a bar that is never drawn.
  Progress(std::string what, bool shown);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(double part);  // 0 to 1
  void erase();

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  bool shown_;
  bool drawn_ = false;
  Clock::time_point started_, last_;
};

}  // namespace cli
