// A bar on stderr, for work that lasts: drawn only on a terminal, only after a moment, and gone
// when the work is done.
#pragma once

#include <chrono>
#include <string>

namespace cli {

class Progress {
 public:
  // `shown` false makes a bar that is never drawn; with_remaining adds the time that is left.
  Progress(std::string what, bool shown, bool with_remaining = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(double part);  // 0 to 1
  void erase();

 private:
  std::string remaining(double part) const;

  using Clock = std::chrono::steady_clock;
  std::string what_;
  bool shown_, with_remaining_;
  bool drawn_ = false;
  Clock::time_point started_, last_;
};

}  // namespace cli
