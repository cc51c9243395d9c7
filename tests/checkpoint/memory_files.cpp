#include "tests/checkpoint/memory_files.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hadal::test {

struct MemoryIo {
  using State = MemoryFiles::State;

  static int32_t open(void* user_data, const char* path, size_t path_size, int32_t mode,
                      void** file) {
    auto* state = static_cast<State*>(user_data);
    if (mode != HADAL_IO_READ) return HADAL_E_UNSUPPORTED;
    const auto found = state->files.find(std::string(path, path_size));
    if (found == state->files.end()) return HADAL_E_NOT_FOUND;
    ++state->n_open;
    *file = &found->second;
    return HADAL_OK;
  }
  static int32_t size(void*, void* file, uint64_t* bytes) {
    *bytes = static_cast<std::string*>(file)->size();
    return HADAL_OK;
  }
  static int32_t read_at(void* user_data, void* file, uint64_t at, void* to, size_t n,
                         size_t* done) {
    auto* state = static_cast<State*>(user_data);
    if (state->reads_until_failure >= 0 && state->reads_until_failure-- == 0) {
      return state->failure;
    }
    const auto& bytes = *static_cast<std::string*>(file);
    *done = at >= bytes.size()
                ? 0
                : std::min({n, state->most_per_read, bytes.size() - static_cast<size_t>(at)});
    if (*done != 0) std::memcpy(to, bytes.data() + at, *done);
    state->bytes_read += *done;
    return HADAL_OK;
  }
  static void close(void* user_data, void*) { --static_cast<State*>(user_data)->n_open; }
};

MemoryFiles::MemoryFiles() {
  hadal_io io = {};
  io.struct_size = sizeof io;
  io.user_data = state_.get();
  io.open = MemoryIo::open;
  io.size = MemoryIo::size;
  io.read_at = MemoryIo::read_at;
  io.close = MemoryIo::close;
  files_ = host_files(share_table(io));
}

void MemoryFiles::put(const std::string& path, std::string bytes) {
  state_->files[path] = std::move(bytes);
}

void MemoryFiles::fail_read(int n, int32_t answer) {
  state_->reads_until_failure = n;
  state_->failure = answer;
}

}  // namespace hadal::test
