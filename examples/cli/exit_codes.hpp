// How the program ends. Documented in the help and in README.md beside this file.
#pragma once

#include <stdexcept>
#include <string>

namespace cli {

enum ExitCode {
  kOk = 0,
  kFailure = 1,        // the work could not be done: no such file, a damaged one, no memory
  kUsage = 2,          // the command line asks for something that makes no sense here
  kInterrupted = 130,  // Ctrl-C
};

// A command line that cannot be honoured: what, and what to do.
class UsageError : public std::runtime_error {
 public:
  UsageError(const std::string& what, std::string hint)
      : std::runtime_error(what), hint_(std::move(hint)) {}
  const std::string& hint() const { return hint_; }

 private:
  std::string hint_;
};

// A failure of the program's own, not of the library.
class Failure : public UsageError {
  using UsageError::UsageError;
};

}  // namespace cli
