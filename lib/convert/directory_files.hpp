// What lies in a directory of Hugging Face's layout besides the weights, on its way into another:
// config.json and the index anew, everything else as it is.
#pragma once

#include <cstdint>
#include <string>

#include "lib/convert/output_plan.hpp"

namespace hadal {

struct DirectoryChange {
  bool dequantised = false;  // fp8 has become bf16
  bool without_mtp = false;
};

// `from` ends in a slash or is empty. Fills copies and texts of the plan, whose files and directory
// are known. `index` is the text of the new index, which is written where the old directory has
// one.
absl::Status plan_directory_files(FileSystem& files, const std::string& from,
                                  const DirectoryChange& change, uint64_t limit_bytes,
                                  std::string index, OutputPlan& plan);

}  // namespace hadal
