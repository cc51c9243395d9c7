#include "lib/base/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "lib/base/file_writing.hpp"

namespace hadal {
namespace {

absl::Status read_only(absl::string_view path) {
  return fail(HADAL_E_UNSUPPORTED, absl::StrCat(path, ": files can only be read here"),
              "Write to the files of the system.");
}

absl::Status ends_early(const File& file, uint64_t at, uint64_t missing) {
  return fail(HADAL_E_FORMAT,
              absl::StrCat(file.path(), ": the file ends at byte ", at, ", ", missing,
                           " bytes before the end of what was to be read"),
              "The file is truncated, or was cut while in use: download or copy it again.");
}

class SystemMapping : public Mapping {
 public:
  SystemMapping(void* data, size_t size) : data_(data), size_(size) {}
  ~SystemMapping() override {
    if (size_ != 0) munmap(data_, size_);
  }
  std::span<const std::byte> bytes() const override {
    return {static_cast<const std::byte*>(data_), size_};
  }

 private:
  void* data_;
  size_t size_;
};

class SystemFile : public File {
 public:
  SystemFile(std::string path, int fd, uint64_t size_bytes)
      : File(std::move(path), size_bytes), fd_(fd) {}
  ~SystemFile() override { close(fd_); }

  absl::Status read_at(uint64_t at, std::span<std::byte> to) const override {
    constexpr size_t kMost = size_t{1} << 30;  // Linux moves at most 2 GiB per call
    while (!to.empty()) {
      const ssize_t n = pread(fd_, to.data(), std::min(to.size(), kMost), static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        return system_error(HADAL_E_IO, path(), absl::StrCat("reading at byte ", at), errno,
                            "The disk or its connection failed: try again, check the device.");
      }
      if (n == 0) return ends_early(*this, at, to.size());
      at += static_cast<uint64_t>(n);
      to = to.subspan(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const Mapping>> map() const override {
    const size_t size = static_cast<size_t>(size_bytes());
    if (size == 0) return std::make_shared<SystemMapping>(nullptr, 0);
    void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_, 0);
    if (data == MAP_FAILED) {
      return system_error(HADAL_E_IO, path(), "mapping the file", errno,
                          "Set the option mmap to 0: the file is then read into memory.");
    }
    absl::Cleanup unmap = [&] { munmap(data, size); };
    auto mapping = std::make_shared<SystemMapping>(data, size);
    std::move(unmap).Cancel();
    return mapping;
  }

 private:
  int fd_;
};

class SystemFiles : public FileSystem {
 public:
  absl::StatusOr<std::shared_ptr<const File>> open(absl::string_view path) override {
    const std::string name(path);
    if (name.find('\0') != std::string::npos) {
      return fail(HADAL_E_INVALID_ARGUMENT, "a path with a zero byte in it",
                  "Give a path without.");
    }
    // Without O_NONBLOCK a named pipe in the place of a shard would hold us until someone writes.
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
      return system_error(HADAL_E_NOT_FOUND, path, "opening the file", ENOENT,
                          "Check the path; all shards of a split set must lie in one folder.");
    }
    if (fd < 0) {
      return system_error(HADAL_E_IO, path, "opening the file", errno,
                          "Check that this user may read the file.");
    }
    absl::Cleanup close_again = [&] { close(fd); };
    struct stat info;
    if (fstat(fd, &info) != 0) {
      return system_error(HADAL_E_IO, path, "asking for its size", errno, "Try again.");
    }
    if (!S_ISREG(info.st_mode)) {
      return fail(HADAL_E_UNSUPPORTED, absl::StrCat(path, ": not a regular file"),
                  "Give the path of a file, or of a directory in Hugging Face's layout.");
    }
    auto file = std::make_shared<SystemFile>(name, fd, static_cast<uint64_t>(info.st_size));
    std::move(close_again).Cancel();
    return file;
  }

  absl::StatusOr<std::unique_ptr<WritableFile>> create(absl::string_view path) override {
    return system_writing::create(path);
  }
  absl::Status replace(absl::string_view from, absl::string_view to) override {
    return system_writing::replace(from, to);
  }
  absl::Status remove(absl::string_view path) override { return system_writing::remove(path); }
  bool renames_open_files() const override { return true; }
  absl::StatusOr<bool> make_directory(absl::string_view path) override {
    return system_writing::make_directory(path);
  }
  void remove_directory(absl::string_view path) override { system_writing::remove_directory(path); }
  absl::StatusOr<std::vector<std::string>> list(absl::string_view directory) override {
    return system_writing::list(directory);
  }
  std::optional<uint64_t> free_bytes(absl::string_view path) override {
    return system_writing::free_bytes(path);
  }
};

class HostFile : public File {
 public:
  HostFile(std::string path, SharedTable<hadal_io> io, void* file, uint64_t size_bytes)
      : File(std::move(path), size_bytes), io_(std::move(io)), file_(file) {}
  ~HostFile() override { (*io_)->close((*io_)->user_data, file_); }

  absl::Status read_at(uint64_t at, std::span<std::byte> to) const override {
    while (!to.empty()) {
      size_t done = 0;
      const int32_t answer =
          (*io_)->read_at((*io_)->user_data, file_, at, to.data(), to.size(), &done);
      if (answer != HADAL_OK) {
        return host_failure(path(), absl::StrCat("reading at byte ", at), answer);
      }
      if (done > to.size()) {
        return host_failure(path(), "reading more bytes than asked for", HADAL_E_IO);
      }
      if (done == 0) return ends_early(*this, at, to.size());
      at += done;
      to = to.subspan(done);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const Mapping>> map() const override {
    return fail(HADAL_E_UNSUPPORTED, absl::StrCat(path(), ": the host's files cannot be mapped"),
                "Set the option mmap to 0.");
  }

 private:
  SharedTable<hadal_io> io_;
  void* file_;
};

class HostFiles : public FileSystem {
 public:
  explicit HostFiles(SharedTable<hadal_io> io) : io_(std::move(io)) {}

  absl::StatusOr<std::shared_ptr<const File>> open(absl::string_view path) override {
    void* handle = nullptr;
    const HostTable<hadal_io>& io = *io_;
    const int32_t answer =
        io->open(io->user_data, path.data(), path.size(), HADAL_IO_READ, &handle);
    if (answer != HADAL_OK) return host_failure(path, "opening the file", answer);
    absl::Cleanup close_again = [&] { io->close(io->user_data, handle); };
    uint64_t size = 0;
    const int32_t size_answer = io->size(io->user_data, handle, &size);
    if (size_answer != HADAL_OK) return host_failure(path, "asking for its size", size_answer);
    auto file = std::make_shared<HostFile>(std::string(path), io_, handle, size);
    std::move(close_again).Cancel();
    return file;
  }

  absl::StatusOr<std::unique_ptr<WritableFile>> create(absl::string_view path) override {
    return host_writing::create(io_, path);
  }
  absl::Status replace(absl::string_view from, absl::string_view to) override {
    return host_writing::replace(io_, from, to);
  }
  absl::Status remove(absl::string_view path) override { return host_writing::remove(io_, path); }
  // Folders are the host's business: it makes them when a file in one is opened.
  absl::StatusOr<bool> make_directory(absl::string_view) override { return false; }

 private:
  SharedTable<hadal_io> io_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WritableFile>> FileSystem::create(absl::string_view path) {
  return read_only(path);
}
absl::Status FileSystem::replace(absl::string_view, absl::string_view to) { return read_only(to); }
absl::Status FileSystem::remove(absl::string_view path) { return read_only(path); }
absl::StatusOr<bool> FileSystem::make_directory(absl::string_view path) { return read_only(path); }
void FileSystem::remove_directory(absl::string_view) {}
absl::StatusOr<std::vector<std::string>> FileSystem::list(absl::string_view directory) {
  return read_only(directory);
}
std::optional<uint64_t> FileSystem::free_bytes(absl::string_view) { return std::nullopt; }

std::shared_ptr<FileSystem> system_files() { return std::make_shared<SystemFiles>(); }

std::shared_ptr<FileSystem> host_files(SharedTable<hadal_io> table) {
  return std::make_shared<HostFiles>(std::move(table));
}

}  // namespace hadal
