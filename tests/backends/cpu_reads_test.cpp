// Kernels load whole registers, which must not reach beyond the weight: it may be the end of a
// mapped file. Weights lie between pages that nobody may read, so that one byte more ends the test;
// address sanitizers see what a kernel reads only where it is compiled with one.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cpu/cpu_features.hpp"
#include "lib/tensor/dtype.hpp"
#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::must;
using test::product;

// Bytes that begin where the page before them ends, or end where the page after them begins.
class GuardedBytes {
 public:
  enum class At { kBeginning, kEnd };

  GuardedBytes(const std::vector<std::byte>& bytes, At at)
      : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))),
        size_((bytes.size() + page_ - 1) / page_ * page_) {
    void* all = mmap(nullptr, size_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) throw std::runtime_error("mmap");
    all_ = static_cast<std::byte*>(all);
    std::byte* inner = all_ + page_;
    if (mprotect(inner, size_, PROT_READ | PROT_WRITE) != 0) throw std::runtime_error("mprotect");
    data_ = at == At::kBeginning ? inner : inner + size_ - bytes.size();
    std::memcpy(data_, bytes.data(), bytes.size());
  }
  ~GuardedBytes() { munmap(all_, size_ + 2 * page_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  const std::byte* data() const { return data_; }

 private:
  size_t page_, size_;
  std::byte* all_ = nullptr;
  std::byte* data_ = nullptr;
};

TEST(CpuReadsTest, NothingOutsideOfAWeightIsRead) {
  struct Way {
    const char* activations;
    bool batch_invariant;
  };
  for (const char* isa : {"scalar", "avx2", "avx_vnni", "avx512", "neon"}) {
    if (!cpu::kernels_for(isa, cpu::features_of_this_machine()).ok()) continue;
    for (const auto [activations, batch_invariant] :
         {Way{"f32", true}, Way{"int8", true}, Way{"int8", false}}) {
      const auto backend = must(make_cpu_backend(
          Memory::create(nullptr, 0), caller_only(),
          {.isa = isa, .activations = activations, .batch_invariant = batch_invariant}));
      for (const DType dtype : test::weight_dtypes()) {
        const int64_t block = info(dtype).block_elements;
        // Whole stretches of 256; and, where blocks allow, a part of one more or less than one.
        for (const int64_t n_cols : {int64_t{512}, 256 + block, block}) {
          for (const int64_t n_w : {1, 5}) {
            SCOPED_TRACE(testing::Message() << isa << " " << activations << " " << name(dtype)
                                            << " " << n_w << " x " << n_cols);
            const test::TestWeight free = test::random_weight(dtype, 1, n_w, n_cols, 1);
            for (const auto at : {GuardedBytes::At::kBeginning, GuardedBytes::At::kEnd}) {
              const GuardedBytes bytes(*free.bytes, at);
              test::TestWeight guarded = free;
              guarded.source.data = bytes.data();
              for (const int64_t n_x : {1, 2, 4}) {
                const Matrix x = test::random_matrix(n_x, n_cols, 2);
                EXPECT_TRUE(is_same(product(*backend, x, guarded), product(*backend, x, free)));
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace hadal
