// The writing half of file.hpp: what the system's files and a host's do to be written. For
// file.cpp alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/file.hpp"

namespace hadal {

// A system call failed, and why.
absl::Status system_error(hadal_status code, absl::string_view path, absl::string_view what,
                          int os_error, absl::string_view hint);

// The host's functions answer with a hadal_status and nothing else, so all we can say is which.
absl::Status host_failure(absl::string_view path, absl::string_view what, int32_t answer);

namespace system_writing {

absl::StatusOr<std::unique_ptr<WritableFile>> create(absl::string_view path);
absl::Status replace(absl::string_view from, absl::string_view to);
absl::Status remove(absl::string_view path);
absl::StatusOr<bool> make_directory(absl::string_view path);
void remove_directory(absl::string_view path);
absl::StatusOr<std::vector<std::string>> list(absl::string_view directory);
std::optional<uint64_t> free_bytes(absl::string_view path);

}  // namespace system_writing

namespace host_writing {

absl::StatusOr<std::unique_ptr<WritableFile>> create(const SharedTable<hadal_io>& io,
                                                     absl::string_view path);
absl::Status replace(const SharedTable<hadal_io>& io, absl::string_view from, absl::string_view to);
absl::Status remove(const SharedTable<hadal_io>& io, absl::string_view path);

}  // namespace host_writing
}  // namespace hadal
