// The handler only sets a flag: it may run on any thread, also while a request is being freed.
#include "examples/cli/interrupt.hpp"

#include <unistd.h>
#include <csignal>

#include <atomic>

#include "examples/cli/exit_codes.hpp"

namespace cli::interrupt {
namespace {

std::atomic<bool> wanted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int) {
  if (!wanted.exchange(true)) return;
  constexpr char kReset[] = "\033[0m\n";
  if (isatty(STDOUT_FILENO) == 1 && write(STDOUT_FILENO, kReset, sizeof kReset - 1) < 0) {
    _exit(kFailure);
  }
  _exit(kInterrupted);
}

}  // namespace

void install() {
  struct sigaction action = {};
  action.sa_handler = on_signal;  // without SA_RESTART: a read that waits for a key must end
  sigaction(SIGINT, &action, nullptr);
}

bool pending() { return wanted.load(); }
void clear() { wanted.store(false); }

}  // namespace cli::interrupt
