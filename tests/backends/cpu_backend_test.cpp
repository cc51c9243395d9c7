// What the cpu backend promises beyond the ops: the choice of kernels, the bits of its decoders,
// sums that no batch, no number of threads and no neighbour in memory can change.
#include "backends/cpu/cpu_backend.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "backends/cpu/cpu_features.hpp"
#include "backends/cpu/weight_rows.hpp"
#include "lib/tensor/block_formats.hpp"
#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::must;

std::vector<const cpu::Kernels*> kernels_here() {
  std::vector<const cpu::Kernels*> found;
  for (const char* isa : {"scalar", "avx2", "avx512"}) {
    const auto kernels = cpu::kernels_for(isa, cpu::features_of_this_machine());
    if (kernels.ok()) found.push_back(*kernels);
  }
  return found;
}

std::unique_ptr<Backend> cpu_backend(std::string_view isa, int n_threads) {
  return must(make_cpu_backend(Memory::create(nullptr, 0), must(thread_pool(n_threads - 1)), isa));
}

TEST(CpuFeaturesTest, AutoIsTheBestThereIs) {
  EXPECT_STREQ(must(cpu::kernels_for("auto", {}))->name, "scalar");
  EXPECT_STREQ(must(cpu::kernels_for("scalar", {true, true}))->name, "scalar");
#ifdef HADAL_CPU_X86
  EXPECT_STREQ(must(cpu::kernels_for("auto", {true, false}))->name, "avx2");
  EXPECT_STREQ(must(cpu::kernels_for("auto", {true, true}))->name, "avx512");
  EXPECT_STREQ(must(cpu::kernels_for("avx2", {true, true}))->name, "avx2");
#endif
}

TEST(CpuFeaturesTest, WhatIsLackingIsRefusedWithWhatThereIs) {
  const absl::Status lacking = cpu::kernels_for("avx512", {true, false}).status();
  EXPECT_EQ(code_of(lacking), HADAL_E_UNSUPPORTED);
  EXPECT_NE(message_of(lacking).find("avx512"), std::string::npos);
  EXPECT_NE(hint_of(lacking).find("scalar, avx2."), std::string::npos);
  EXPECT_EQ(code_of(cpu::kernels_for("avx2", {}).status()), HADAL_E_UNSUPPORTED);
  EXPECT_EQ(code_of(cpu::kernels_for("mmx", {true, true}).status()), HADAL_E_OUT_OF_RANGE);
}

// Random bytes are blocks too: with scales that are infinite, subnormal or no numbers.
TEST(CpuKernelsTest, DecodersHaveTheBitsOfTheDefinitionWhateverTheBytes) {
  for (const cpu::Kernels* kernels : kernels_here()) {
    for (const DType dtype : test::weight_dtypes()) {
      SCOPED_TRACE(testing::Message() << kernels->name << " " << name(dtype));
      const int64_t n = 40 * 256;
      std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, n)) + 1);
      std::mt19937_64 random(7);
      for (std::byte& b : bytes) b = static_cast<std::byte>(random());
      Matrix expected{1, n, test::Floats(static_cast<size_t>(n))}, actual = expected;
      decode_row(dtype, bytes.data() + 1, n, expected.values.data());
      cpu::decode(*kernels, dtype, bytes.data() + 1, n, actual.values.data());
      EXPECT_TRUE(is_same(actual, expected));
    }
  }
}

TEST(CpuKernelsTest, PlainTypesDecodeAnyNumberOfElementsAndNoMore) {
  for (const cpu::Kernels* kernels : kernels_here()) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (int64_t n = 0; n < 40; ++n) {
        const std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, n)));
        std::vector<float> to(static_cast<size_t>(n) + 1, 5.0f);
        cpu::decode(*kernels, dtype, bytes.data(), n, to.data());
        EXPECT_EQ(std::count(to.begin(), to.end(), 0.0f), n);
        EXPECT_EQ(to.back(), 5.0f);
      }
    }
  }
}

Matrix product(Backend& backend, const Matrix& x, const test::TestWeight& w) {
  test::Workbench bench(backend);
  const Weight& weight = bench.upload(w);
  const Tensor out = bench.empty(x.rows, weight.out_features());
  backend.matmul(bench.put(x), weight, out);
  return bench.get(out);
}

Matrix one_row(const Matrix& x, int64_t r) { return x.some_rows(r, 1); }

// P9, D1, D4: beyond the batches that the tests of the op try, across the rows of one pass over a
// panel (96).
TEST(CpuBackendTest, ARowHasTheSameBitsInLargeBatches) {
  for (const cpu::Kernels* kernels : kernels_here()) {
    const auto alone = cpu_backend(kernels->name, 1);
    for (const DType dtype : {DType::kF32, DType::kQ8_0, DType::kQ4_K, DType::kIQ2_S}) {
      SCOPED_TRACE(testing::Message() << kernels->name << " " << name(dtype));
      const auto w = test::random_weight(dtype, 1, 43, 1024, 1);
      const Matrix x = test::random_matrix(203, 1024, 2);
      for (const int n_threads : {1, 2, 3}) {
        const Matrix all = product(*cpu_backend(kernels->name, n_threads), x, w);
        for (const int64_t r : {0, 6, 7, 95, 96, 97, 191, 192, 202})
          EXPECT_TRUE(is_same(one_row(all, r), product(*alone, one_row(x, r), w))) << r;
        EXPECT_TRUE(is_same(all.some_rows(64, 7), product(*alone, x.some_rows(64, 7), w)));
      }
    }
  }
}

TEST(CpuBackendTest, Avx2AndAvx512AgreeToTheBit) {
  if (kernels_here().size() < 3) GTEST_SKIP() << "this machine has only one of them";
  const auto avx2 = cpu_backend("avx2", 1), avx512 = cpu_backend("avx512", 1);
  for (const DType dtype : test::weight_dtypes()) {
    SCOPED_TRACE(name(dtype));
    const auto w = test::random_weight(dtype, 1, 21, 1280, 1);
    for (const int64_t n_rows : {1, 2, 9}) {
      const Matrix x = test::random_matrix(n_rows, 1280, 2);
      EXPECT_TRUE(is_same(product(*avx2, x, w), product(*avx512, x, w)));
    }
  }
}

// Elements that fill no register are followed by a neighbour's, here NaN, which may not be touched.
TEST(CpuBackendTest, NothingBeyondTheEndOfARowCounts) {
  for (const cpu::Kernels* kernels : kernels_here()) {
    for (const int64_t k : {1, 5, 15, 17, 100, 515}) {
      SCOPED_TRACE(testing::Message() << kernels->name << " " << k);
      const int64_t stride = k + 3;
      Matrix wide_w = test::matrix_of(11, stride, std::nanf("")), wide_x = wide_w;
      for (int64_t r = 0; r < 11; ++r) {
        std::fill_n(wide_w.row(r), k, 2.0f);
        std::fill_n(wide_x.row(r), k, 3.0f);
      }
      auto w = test::f32_weight(1, wide_w);
      w.source.cols = k;
      const auto backend = cpu_backend(kernels->name, 1);
      test::Workbench bench(*backend);
      const Tensor x = bench.put(wide_x).columns(0, k);
      for (const int64_t n_rows : {1, 2, 11}) {
        const Tensor out = bench.empty(n_rows, 11);
        backend->matmul(x.first_rows(n_rows), bench.upload(w), out);
        const Matrix result = bench.get(out);
        for (const float value : result.values)
          EXPECT_EQ(value, 6.0f * static_cast<float>(k)) << n_rows;
      }
    }
  }
}

TEST(CpuBackendTest, RefusedScratchIsAFailureThatSticksUntilItIsReported) {
  const auto memory = Memory::create(nullptr, 100'000);
  const auto backend = must(make_cpu_backend(memory, must(thread_pool(1)), "auto"));
  const auto w = test::random_weight(DType::kQ8_0, 1, 8, 32, 1);
  const Weight weight = must(backend->upload(w.source));
  std::vector<float> x(32, 1.0f), out(8, -1.0f);
  const Tensor to = Tensor::f32(out.data(), 1, 8);
  backend->matmul(Tensor::f32(x.data(), 1, 32), weight, to);
  backend->add(to, to);  // skipped
  const absl::Status failure = backend->wait();
  EXPECT_EQ(code_of(failure), HADAL_E_BUDGET);
  EXPECT_NE(message_of(failure).find("matmul"), std::string::npos);
  EXPECT_EQ(out, std::vector<float>(8, -1.0f));
  backend->add(to, to);
  EXPECT_TRUE(backend->wait().ok());
  EXPECT_EQ(out, std::vector<float>(8, -2.0f));
}

TEST(CpuBackendTest, SaysWhatItRunsOn) {
  EXPECT_EQ(cpu_backend("scalar", 1)->description(), "cpu, scalar, 1 thread");
  EXPECT_EQ(cpu_backend("scalar", 3)->description(), "cpu, scalar, 3 threads");
}

}  // namespace
}  // namespace hadal
