#include "tests/checkpoint/sweep.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace hadal::test {
namespace {

// Pages that parent and child both see: which index is being worked on, and what came of each.
class Shared {
 public:
  explicit Shared(uint64_t n) : size_((n + 1) * sizeof(uint64_t)) {
    void* pages = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::runtime_error("no shared pages");
    words_ = static_cast<uint64_t*>(pages);
  }
  ~Shared() { munmap(words_, size_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  volatile uint64_t& current() { return words_[0]; }
  uint64_t* outcomes() { return words_ + 1; }

 private:
  size_t size_;
  uint64_t* words_;
};

}  // namespace

SweepResult sweep(uint64_t n, uint64_t stride, const std::function<uint64_t(uint64_t)>& body) {
  SweepResult result;
  Shared shared(n);
  uint64_t begin = 0;
  while (begin < n) {
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("no child process");
    if (child == 0) {
      for (uint64_t i = begin; i < n; i += stride) {
        shared.current() = i;
        alarm(10);  // ends a child that hangs
        shared.outcomes()[i] = body(i);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    const uint64_t index = shared.current();
    result.crashed.push_back(index);
    begin = index + stride;
  }
  result.outcomes.assign(shared.outcomes(), shared.outcomes() + n);
  return result;
}

bool sweeps_all() {
  const char* value = std::getenv("HADAL_SWEEP");
  return value != nullptr && std::strcmp(value, "all") == 0;
}

}  // namespace hadal::test
