// Ctrl-C. The first one is a wish that whoever works looks for; the second, while the first is
// still open, leaves at once.
#pragma once

namespace cli::interrupt {

void install();
bool pending();
void clear();

}  // namespace cli::interrupt
