#include "lib/checkpoint/header_reader.hpp"

#include <algorithm>

#include "absl/strings/escaping.h"

namespace hadal {
namespace {

constexpr size_t kBufferBytes = size_t{64} << 10;

}  // namespace

absl::Status HeaderReader::require(uint64_t n_bytes, absl::string_view what) const {
  if (n_bytes <= remaining_) return absl::OkStatus();
  return fail(
      HADAL_E_FORMAT,
      absl::StrCat(file_.path(), ": ", what, " at byte ", position_, " wants ", n_bytes,
                   " bytes, but the file has only ", remaining_, " more"),
      "The file is truncated or damaged: compare its size and checksum, download it again.");
}

absl::Status HeaderReader::read_bytes(std::span<std::byte> to, absl::string_view what) {
  HADAL_RETURN_IF_ERROR(require(to.size(), what));
  while (!to.empty()) {
    if (used_ == buffer_.size()) {
      buffer_.resize(static_cast<size_t>(std::min<uint64_t>(kBufferBytes, remaining_)));
      used_ = buffer_.size();  // nothing of it is valid if the read fails
      HADAL_RETURN_IF_ERROR(file_.read_at(position_, buffer_));
      used_ = 0;
    }
    const size_t n = std::min(to.size(), buffer_.size() - used_);
    std::memcpy(to.data(), buffer_.data() + used_, n);
    to = to.subspan(n);
    used_ += n;
    position_ += n;
    remaining_ -= n;
  }
  return absl::OkStatus();
}

absl::Status HeaderReader::append(uint64_t n_bytes, std::string* to, absl::string_view what) {
  HADAL_RETURN_IF_ERROR(require(n_bytes, what));
  const size_t before = to->size();
  to->resize(before + static_cast<size_t>(n_bytes));
  return read_bytes(std::as_writable_bytes(std::span(*to).subspan(before)), what);
}

std::string printable(absl::string_view name) {
  constexpr size_t kMost = 80;
  std::string text = absl::CHexEscape(name.substr(0, kMost));
  if (name.size() > kMost) text += "...";
  return text;
}

}  // namespace hadal
