// Writes what a model has measured as a file.
#pragma once

#include <string>

#include "lib/session/served_model.hpp"

namespace hadal {

struct SaveImatrixOptions {
  std::string dataset{};      // what the text was called; may be empty
  uint32_t chunk_size = 512;  // tokens that count as one chunk
  bool as_dat = false;        // in the layout of before
  bool with_head = false;     // lm_head too
  bool add = false;           // to what the file has, if it is there
};

// The file takes its place when it is whole. E_INVALID_ARGUMENT if nothing was measured.
absl::Status save_imatrix(const ServedModel& model, const std::string& path,
                          const SaveImatrixOptions& options);

}  // namespace hadal
