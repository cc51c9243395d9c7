// Bytes in, whole characters out: the bytes of an unfinished character wait. Bytes that can be part
// of none become U+FFFD, one for each broken start of a character, however they were cut.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace hadal {

class Utf8Stream {
 public:
  // Appends to `out` what `bytes` complete.
  void push(absl::string_view bytes, std::string& out);
  // No more bytes follow: what waited was no character.
  void finish(std::string& out);

 private:
  std::string waiting_;  // at most 3 bytes between calls
};

}  // namespace hadal
