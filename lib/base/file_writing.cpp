#include "lib/base/file_writing.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

#include "absl/cleanup/cleanup.h"

namespace hadal {

absl::Status system_error(hadal_status code, absl::string_view path, absl::string_view what,
                          int os_error, absl::string_view hint) {
  return fail(code, absl::StrCat(path, ": ", what, ": ", std::generic_category().message(os_error)),
              hint, os_error);
}

absl::Status host_failure(absl::string_view path, absl::string_view what, int32_t answer) {
  const bool is_error = answer < 0 && answer >= HADAL_E_INTERNAL;
  const hadal_status code = is_error ? answer : HADAL_E_IO;
  return fail(
      code,
      absl::StrCat(path, ": ", what, ": the host's file functions answered ", status_name(answer)),
      "Look into the hadal_io table of the host program.");
}

namespace system_writing {
namespace {

absl::Status zero_byte() {
  return fail(HADAL_E_INVALID_ARGUMENT, "a path with a zero byte in it", "Give a path without.");
}
bool has_zero_byte(absl::string_view path) { return path.find('\0') != absl::string_view::npos; }

absl::Status write_error(absl::string_view path, absl::string_view what, int os_error) {
  const bool is_full = os_error == ENOSPC || os_error == EDQUOT;
  return system_error(is_full ? HADAL_E_NO_SPACE : HADAL_E_IO, path, what, os_error,
                      is_full ? "Free space on this disk, or write to another."
                      : os_error == ENOENT
                          ? "The folder is not there: make it, or check the path."
                          : "Check that this user may write there, and the device.");
}

// The folder that a path lies in.
std::string folder_of(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

class SystemWritableFile : public WritableFile {
 public:
  explicit SystemWritableFile(std::string path) : WritableFile(std::move(path)) {}
  ~SystemWritableFile() override {
    if (fd_ >= 0) close(fd_);
  }
  void own(int fd) { fd_ = fd; }

  absl::Status write_at(uint64_t at, std::span<const std::byte> from) override {
    constexpr size_t kMost = size_t{1} << 30;  // Linux moves at most 2 GiB per call
    while (!from.empty()) {
      const ssize_t n =
          pwrite(fd_, from.data(), std::min(from.size(), kMost), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        return write_error(path(), absl::StrCat("writing ", from.size(), " bytes at byte ", at),
                           errno);
      }
      at += static_cast<uint64_t>(n);
      from = from.subspan(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }

  absl::Status sync() override {
    while (fsync(fd_) != 0) {
      if (errno == EINTR) continue;
      // Pipes and some file systems have nothing to sync.
      if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) break;
      return write_error(path(), "bringing it to the disk", errno);
    }
    return absl::OkStatus();
  }

 private:
  int fd_ = -1;
};

bool is_same_file(int fd, const std::string& path) {
  struct stat open_file, named;
  return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

}  // namespace

// What a crash left under this name is used anew; a lock keeps two writers apart. Whoever held it
// before may have renamed the file while we waited for the lock: then it is no longer ours to
// empty.
absl::StatusOr<std::unique_ptr<WritableFile>> create(absl::string_view path) {
  if (has_zero_byte(path)) return zero_byte();
  // Before there is a file: without memory none is left behind.
  auto file = std::make_unique<SystemWritableFile>(std::string(path));
  const std::string& name = file->path();
  for (int attempt = 0; attempt < 8; ++attempt) {
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0) return write_error(path, "making the file", errno);
    absl::Cleanup close_again = [&] { close(fd); };
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      return fail(HADAL_E_BUSY, absl::StrCat(path, ": somebody is writing this file"),
                  "Wait for the other conversion, or write under another name.");
    }
    if (!is_same_file(fd, name)) continue;
    if (ftruncate(fd, 0) != 0 && errno != EINVAL) {  // a device has no size
      return write_error(path, "emptying the file", errno);
    }
    file->own(fd);
    std::move(close_again).Cancel();
    return file;
  }
  return fail(HADAL_E_BUSY, absl::StrCat(path, ": others make and rename this file all the time"),
              "Write under another name.");
}

absl::Status replace(absl::string_view from, absl::string_view to) {
  if (has_zero_byte(from) || has_zero_byte(to)) return zero_byte();
  if (rename(std::string(from).c_str(), std::string(to).c_str()) != 0) {
    return write_error(to, absl::StrCat("renaming ", from), errno);
  }
  // The new name, too, has to reach the disk; where folders cannot be synced it will in time.
  const int folder = ::open(folder_of(to).c_str(), O_RDONLY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return absl::OkStatus();
}

// Needs no memory where it succeeds: it is what clears up when there is none left.
absl::Status remove(absl::string_view path) {
  if (has_zero_byte(path)) return zero_byte();
  char name[PATH_MAX];
  if (path.size() >= sizeof name) return write_error(path, "removing the file", ENAMETOOLONG);
  std::memcpy(name, path.data(), path.size());
  name[path.size()] = '\0';
  if (unlink(name) == 0) return absl::OkStatus();
  return write_error(path, "removing the file", errno);
}

absl::StatusOr<bool> make_directory(absl::string_view path) {
  if (has_zero_byte(path)) return zero_byte();
  const std::string name(path);
  if (mkdir(name.c_str(), 0777) == 0) return true;
  const int os_error = errno;
  struct stat info;
  if (os_error == EEXIST && stat(name.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return false;
  return write_error(path, "making the directory", os_error);
}

void remove_directory(absl::string_view path) {
  if (!has_zero_byte(path)) rmdir(std::string(path).c_str());
}

absl::StatusOr<std::vector<std::string>> list(absl::string_view directory) {
  if (has_zero_byte(directory)) return zero_byte();
  const std::string name = directory.empty() ? "." : std::string(directory);
  DIR* const folder = opendir(name.c_str());
  if (folder == nullptr) {
    return system_error(HADAL_E_IO, directory, "listing the directory", errno,
                        "Check that this user may read it.");
  }
  const absl::Cleanup close_again = [&] { closedir(folder); };
  std::vector<std::string> names;
  while (const dirent* entry = readdir(folder)) {
    struct stat info;
    if (fstatat(dirfd(folder), entry->d_name, &info, 0) == 0 && S_ISREG(info.st_mode)) {
      names.emplace_back(entry->d_name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<uint64_t> free_bytes(absl::string_view path) {
  if (has_zero_byte(path)) return std::nullopt;
  struct statvfs disk;
  std::string place(path);
  if (statvfs(place.c_str(), &disk) != 0 && statvfs(folder_of(path).c_str(), &disk) != 0) {
    return std::nullopt;
  }
  return uint64_t{disk.f_bavail} * uint64_t{disk.f_frsize};
}

}  // namespace system_writing

namespace host_writing {
namespace {

absl::Status lacks(absl::string_view path, absl::string_view function) {
  return fail(HADAL_E_UNSUPPORTED,
              absl::StrCat(path, ": the host's file functions have no ", function),
              "To write files, set write_at, sync, replace and remove in hadal_io.");
}

class HostWritableFile : public WritableFile {
 public:
  HostWritableFile(std::string path, SharedTable<hadal_io> io)
      : WritableFile(std::move(path)), io_(std::move(io)) {}
  ~HostWritableFile() override {
    if (is_open_) (*io_)->close((*io_)->user_data, file_);
  }
  void own(void* file) {
    file_ = file;
    is_open_ = true;
  }

  absl::Status write_at(uint64_t at, std::span<const std::byte> from) override {
    while (!from.empty()) {
      size_t done = 0;
      const int32_t answer =
          (*io_)->write_at((*io_)->user_data, file_, at, from.data(), from.size(), &done);
      const std::string what = absl::StrCat("writing ", from.size(), " bytes at byte ", at);
      if (answer != HADAL_OK) return host_failure(path(), what, answer);
      if (done == 0 || done > from.size()) {
        return host_failure(path(), absl::StrCat(what, ", of which ", done, " were taken"),
                            HADAL_E_IO);
      }
      at += done;
      from = from.subspan(done);
    }
    return absl::OkStatus();
  }

  absl::Status sync() override {
    const int32_t answer = (*io_)->sync((*io_)->user_data, file_);
    return answer == HADAL_OK ? absl::OkStatus()
                              : host_failure(path(), "bringing it to the disk", answer);
  }

 private:
  SharedTable<hadal_io> io_;
  void* file_ = nullptr;
  bool is_open_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WritableFile>> create(const SharedTable<hadal_io>& table,
                                                     absl::string_view path) {
  const HostTable<hadal_io>& io = *table;
  if (io->write_at == nullptr) return lacks(path, "write_at");
  if (io->sync == nullptr) return lacks(path, "sync");
  if (io->replace == nullptr) return lacks(path, "replace");
  if (io->remove == nullptr) return lacks(path, "remove");
  auto file = std::make_unique<HostWritableFile>(std::string(path), table);
  void* handle = nullptr;
  const int32_t answer = io->open(io->user_data, path.data(), path.size(), HADAL_IO_WRITE, &handle);
  if (answer != HADAL_OK) return host_failure(path, "making the file", answer);
  file->own(handle);
  return file;
}

absl::Status replace(const SharedTable<hadal_io>& table, absl::string_view from,
                     absl::string_view to) {
  const HostTable<hadal_io>& io = *table;
  if (io->replace == nullptr) return lacks(to, "replace");
  const int32_t answer = io->replace(io->user_data, from.data(), from.size(), to.data(), to.size());
  if (answer == HADAL_OK) return absl::OkStatus();
  return host_failure(to, absl::StrCat("renaming ", from), answer);
}

absl::Status remove(const SharedTable<hadal_io>& table, absl::string_view path) {
  const HostTable<hadal_io>& io = *table;
  if (io->remove == nullptr) return lacks(path, "remove");
  const int32_t answer = io->remove(io->user_data, path.data(), path.size());
  return answer == HADAL_OK ? absl::OkStatus() : host_failure(path, "removing the file", answer);
}

}  // namespace host_writing
}  // namespace hadal
