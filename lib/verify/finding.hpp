// What checking a checkpoint has found: one line each.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/status.hpp"

namespace hadal {

enum class Level {
  kOk,       // looked at, and right; the message says what was seen
  kNote,     // worth knowing, and no fault
  kWarning,  // the model runs, and may answer worse than it should
  kError,    // the model does not run, or answers wrongly
};

struct Finding {
  const char* check;  // "yarn": a word that stays the same in every version
  Level level;
  std::string message;  // what, where, wanted, found
  std::string hint;     // what to do; empty where there is nothing
};

// {"check": ..., "level": "error", "message": ..., "hint": ...}
std::string finding_json(const Finding& finding);

class Findings {
 public:
  // Everything after it is of this check. The same fault of many tensors is told a few times, then
  // counted.
  void begin(const char* check);
  void note(std::string message, std::string hint = "") {
    add(Level::kNote, std::move(message), std::move(hint));
  }
  void warning(std::string message, std::string hint) {
    add(Level::kWarning, std::move(message), std::move(hint));
  }
  void error(std::string message, std::string hint) {
    add(Level::kError, std::move(message), std::move(hint));
  }
  void error(const absl::Status& status) { error(message_of(status), hint_of(status)); }
  // Ends the check: says `ok` if nothing was wrong, and how many were not told.
  void end(std::string ok);

  size_t n_errors() const { return n_errors_; }
  // Of the check under way.
  bool is_clean() const { return n_of_check_ == 0; }
  std::vector<Finding> take() { return std::exchange(all_, {}); }

 private:
  void add(Level level, std::string message, std::string hint);

  static constexpr size_t kMostPerCheck = 16;
  const char* check_ = "";
  std::vector<Finding> all_;
  size_t n_errors_ = 0;
  size_t n_of_check_ = 0;  // warnings and errors
};

}  // namespace hadal
