// Files that live in memory, given to hadal through the table a host would use (hadal_io).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "lib/base/file.hpp"

namespace hadal::test {

class MemoryFiles {
 public:
  MemoryFiles();

  void put(const std::string& path, std::string bytes);
  std::string& bytes(const std::string& path) { return state_->files.at(path); }
  FileSystem& files() { return *files_; }

  int n_open() const { return state_->n_open; }
  uint64_t bytes_read() const { return state_->bytes_read; }
  // Answers to the n-th read from now on, 0 the next; once, then reads succeed again.
  void fail_read(int n, int32_t answer);
  // No read gives more than this at once.
  void set_most_per_read(size_t n_bytes) { state_->most_per_read = n_bytes; }

 private:
  struct State {
    std::map<std::string, std::string> files;
    int n_open = 0;
    uint64_t bytes_read = 0;
    int reads_until_failure = -1;
    int32_t failure = 0;
    size_t most_per_read = SIZE_MAX;
  };
  friend struct MemoryIo;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  std::shared_ptr<FileSystem> files_;
};

}  // namespace hadal::test
