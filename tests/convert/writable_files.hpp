// A disk in memory behind the table that a host would use (hadal_io): it can be full, can fail at
// any of its calls, and shows what lies in it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "lib/base/file.hpp"

namespace hadal::test {

class WritableFiles {
 public:
  WritableFiles();

  void put(const std::string& path, std::string bytes);
  void put_file(const std::string& path, const std::string& from);  // of the system
  std::map<std::string, std::string> all() const;
  const std::shared_ptr<FileSystem>& files() { return files_; }
  int n_open() const;
  int n_writes() const;
  // No write leaves more bytes than these in all files together.
  void set_capacity(uint64_t n_bytes);
  // Answers to the n-th call that writes, syncs or renames from now on, 0 the next.
  void fail_write(int n, int32_t answer);

 private:
  struct State;
  friend struct WritableIo;
  std::shared_ptr<State> state_;
  std::shared_ptr<FileSystem> files_;
};

}  // namespace hadal::test
