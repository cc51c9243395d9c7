#include "tests/convert/writable_files.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace hadal::test {

struct WritableFiles::State {
  using Bytes = std::shared_ptr<std::string>;
  std::map<std::string, Bytes> files;
  int n_open = 0, n_writes = 0;
  uint64_t capacity = UINT64_MAX;
  int writes_until_failure = -1;
  int32_t failure = 0;

  bool fails() { return writes_until_failure >= 0 && writes_until_failure-- == 0; }
  uint64_t used() const {
    uint64_t n = 0;
    for (const auto& [path, bytes] : files) n += bytes->size();
    return n;
  }
};

struct WritableIo {
  using State = WritableFiles::State;
  using Bytes = State::Bytes;

  static int32_t open(void* user_data, const char* path, size_t path_size, int32_t mode,
                      void** file) {
    auto* state = static_cast<State*>(user_data);
    const std::string name(path, path_size);
    if (mode == HADAL_IO_WRITE) state->files[name] = std::make_shared<std::string>();
    const auto found = state->files.find(name);
    if (found == state->files.end()) return HADAL_E_NOT_FOUND;
    ++state->n_open;
    *file = new Bytes(found->second);
    return HADAL_OK;
  }
  static int32_t size(void*, void* file, uint64_t* bytes) {
    *bytes = (*static_cast<Bytes*>(file))->size();
    return HADAL_OK;
  }
  static int32_t read_at(void*, void* file, uint64_t at, void* to, size_t n, size_t* done) {
    const std::string& bytes = **static_cast<Bytes*>(file);
    *done = at >= bytes.size() ? 0 : std::min(n, bytes.size() - static_cast<size_t>(at));
    if (*done != 0) std::memcpy(to, bytes.data() + at, *done);
    return HADAL_OK;
  }
  // Odd sizes, so that a write that is not continued shows. A gap would be a hole with anything in
  // it.
  static int32_t write_at(void* user_data, void* file, uint64_t at, const void* from, size_t n,
                          size_t* done) {
    auto* state = static_cast<State*>(user_data);
    if (state->fails()) return state->failure;
    ++state->n_writes;
    std::string& bytes = **static_cast<Bytes*>(file);
    EXPECT_LE(at, bytes.size());
    *done = std::min<size_t>(n, 30011);
    if (at + *done > bytes.size()) {
      if (state->used() + (at + *done - bytes.size()) > state->capacity) return HADAL_E_NO_SPACE;
      bytes.resize(static_cast<size_t>(at) + *done, '\xee');
    }
    std::memcpy(bytes.data() + at, from, *done);
    return HADAL_OK;
  }
  static int32_t sync(void* user_data, void*) {
    auto* state = static_cast<State*>(user_data);
    return state->fails() ? state->failure : HADAL_OK;
  }
  static void close(void* user_data, void* file) {
    --static_cast<State*>(user_data)->n_open;
    delete static_cast<Bytes*>(file);
  }
  static int32_t replace(void* user_data, const char* from, size_t from_size, const char* to,
                         size_t to_size) {
    auto* state = static_cast<State*>(user_data);
    if (state->fails()) return state->failure;
    const auto found = state->files.find(std::string(from, from_size));
    if (found == state->files.end()) return HADAL_E_NOT_FOUND;
    Bytes bytes = found->second;
    state->files.erase(found);
    state->files[std::string(to, to_size)] = std::move(bytes);
    return HADAL_OK;
  }
  static int32_t remove(void* user_data, const char* path, size_t path_size) {
    auto* state = static_cast<State*>(user_data);
    return state->files.erase(std::string(path, path_size)) == 1 ? HADAL_OK : HADAL_E_NOT_FOUND;
  }
};

WritableFiles::WritableFiles() : state_(std::make_shared<State>()) {
  hadal_io io = {};
  io.struct_size = sizeof io;
  io.user_data = state_.get();
  io.open = WritableIo::open;
  io.size = WritableIo::size;
  io.read_at = WritableIo::read_at;
  io.write_at = WritableIo::write_at;
  io.sync = WritableIo::sync;
  io.close = WritableIo::close;
  io.replace = WritableIo::replace;
  io.remove = WritableIo::remove;
  files_ = host_files(share_table(io));
}

void WritableFiles::put(const std::string& path, std::string bytes) {
  state_->files[path] = std::make_shared<std::string>(std::move(bytes));
}

void WritableFiles::put_file(const std::string& path, const std::string& from) {
  std::ifstream in(from, std::ios::binary);
  EXPECT_TRUE(in.good()) << from;
  std::stringstream text;
  text << in.rdbuf();
  put(path, text.str());
}

std::map<std::string, std::string> WritableFiles::all() const {
  std::map<std::string, std::string> all;
  for (const auto& [path, bytes] : state_->files) all[path] = *bytes;
  return all;
}

int WritableFiles::n_open() const { return state_->n_open; }
int WritableFiles::n_writes() const { return state_->n_writes; }
void WritableFiles::set_capacity(uint64_t n_bytes) { state_->capacity = n_bytes; }
void WritableFiles::fail_write(int n, int32_t answer) {
  state_->writes_until_failure = n;
  state_->failure = answer;
}

}  // namespace hadal::test
