// The one loop around hadal_request_wait.
#pragma once

#include <chrono>
#include <hadal/hadal.hpp>

#include "examples/cli/interrupt.hpp"

namespace cli {

// Moves a request to its end. False if Ctrl-C cancelled it.
template <class OnEvent>
bool run_to_end(hadal::Request& request, const OnEvent& on_event) {
  hadal::Event event;
  try {
    for (;;) {
      if (interrupt::pending()) request.cancel();
      const hadal_status status = request.wait(std::chrono::milliseconds(50));
      if (status == HADAL_DONE) return true;
      if (status == HADAL_EVENT && request.poll(event) == HADAL_EVENT) on_event(event);
    }
  } catch (const hadal::Error& error) {
    if (error.code() == HADAL_E_CANCELLED && interrupt::pending()) return false;
    throw;
  }
}

}  // namespace cli
