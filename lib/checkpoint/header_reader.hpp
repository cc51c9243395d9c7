// Reads the beginning of a file, front to back, in small steps through a buffer, and never past the
// file's end. For headers, whose length is known only once they have been read.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/file.hpp"
#include "lib/base/status.hpp"

namespace hadal {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie");

class HeaderReader {
 public:
  explicit HeaderReader(const File& file) : file_(file), remaining_(file.size_bytes()) {}

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return remaining_; }

  // E_FORMAT if fewer than n_bytes are left; `what` is what they would have been.
  absl::Status require(uint64_t n_bytes, absl::string_view what) const;

  // A little-endian number.
  template <class T>
  absl::Status read(T* to, absl::string_view what) {
    static_assert(std::is_trivially_copyable_v<T>);
    return read_bytes(std::as_writable_bytes(std::span(to, 1)), what);
  }
  // n_bytes at the end of a text. The caller has compared n_bytes with a limit.
  absl::Status append(uint64_t n_bytes, std::string* to, absl::string_view what);

 private:
  absl::Status read_bytes(std::span<std::byte> to, absl::string_view what);

  const File& file_;
  uint64_t position_ = 0;
  uint64_t remaining_;             // position_ + remaining_ is the size of the file
  std::vector<std::byte> buffer_;  // the bytes up to position_ are used up to used_
  size_t used_ = 0;
};

// A name out of a file, fit for a message: printable, and not too long.
std::string printable(absl::string_view name);

}  // namespace hadal
