// What the library calls options, in the words of the command line.
#pragma once

#include <string>

namespace cli {

// A hint of the library's, with "the option mtp_path" as "--mtp", and "the option limit_tensors",
// which has no flag of its own, as "--option limit_tensors=...".
std::string with_flag_names(std::string hint);

}  // namespace cli
