// What the cpu backend promises beyond the ops: the choice of kernels, the bits of its decoders,
// sums that no batch, no number of threads and no neighbour in memory can change.
#include "backends/cpu/cpu_backend.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "backends/cpu/cpu_features.hpp"
#include "backends/cpu/weight_rows.hpp"
#include "lib/base/float_formats.hpp"
#include "lib/tensor/block_formats.hpp"
#include "tests/backends/backend_test.hpp"

namespace hadal {
namespace {

using test::Matrix;
using test::must;
using test::product;

std::vector<cpu::Kernels> kernels_here() {
  std::vector<cpu::Kernels> found;
  for (const char* isa : {"scalar", "avx2", "avx_vnni", "avx512", "neon"}) {
    const auto kernels = cpu::kernels_for(isa, cpu::features_of_this_machine());
    if (kernels.ok()) found.push_back(*kernels);
  }
  return found;
}

bool has(std::string_view isa) {
  return cpu::kernels_for(isa, cpu::features_of_this_machine()).ok();
}

std::unique_ptr<Backend> cpu_backend(std::string_view isa, int n_threads,
                                     std::string_view activations = "int8") {
  return must(make_cpu_backend(Memory::create(nullptr, 0), must(thread_pool(n_threads - 1)),
                               {.isa = std::string(isa), .activations = std::string(activations)}));
}

TEST(CpuFeaturesTest, AutoIsTheBestThereIs) {
  EXPECT_STREQ(must(cpu::kernels_for("auto", {})).name, "scalar");
  EXPECT_STREQ(must(cpu::kernels_for("scalar", {true, true})).name, "scalar");
#ifdef __x86_64__
  EXPECT_STREQ(must(cpu::kernels_for("auto", {true, false})).name, "avx2");
  EXPECT_STREQ(must(cpu::kernels_for("auto", {true, true})).name, "avx512");
  EXPECT_STREQ(must(cpu::kernels_for("auto", {.avx2 = true, .avx_vnni = true})).name, "avx_vnni");
  EXPECT_STREQ(must(cpu::kernels_for("avx2", {true, true})).name, "avx2");
#endif
#ifdef __aarch64__
  EXPECT_STREQ(must(cpu::kernels_for("auto", {.neon = true})).name, "neon");
  EXPECT_STREQ(must(cpu::kernels_for("neon", {.neon = true})).name, "neon");
#endif
}

TEST(CpuFeaturesTest, WhatIsLackingIsRefusedWithWhatThereIs) {
  const absl::Status lacking = cpu::kernels_for("avx512", {true, false}).status();
  EXPECT_EQ(code_of(lacking), HADAL_E_UNSUPPORTED);
  EXPECT_NE(message_of(lacking).find("avx512"), std::string::npos);
  EXPECT_NE(hint_of(lacking).find("scalar, avx2."), std::string::npos);
  EXPECT_EQ(code_of(cpu::kernels_for("avx2", {}).status()), HADAL_E_UNSUPPORTED);
  EXPECT_EQ(code_of(cpu::kernels_for("avx_vnni", {true, true}).status()), HADAL_E_UNSUPPORTED);
  EXPECT_EQ(code_of(cpu::kernels_for("neon", {}).status()), HADAL_E_UNSUPPORTED);
  EXPECT_EQ(code_of(cpu::kernels_for("mmx", {true, true}).status()), HADAL_E_OUT_OF_RANGE);
}

// Random bytes are blocks too: with scales that are infinite, subnormal or no numbers.
TEST(CpuKernelsTest, DecodersHaveTheBitsOfTheDefinitionWhateverTheBytes) {
  for (const cpu::Kernels& kernels : kernels_here()) {
    for (const DType dtype : test::weight_dtypes()) {
      SCOPED_TRACE(testing::Message() << kernels.name << " " << name(dtype));
      const int64_t n = 40 * 256;
      std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, n)) + 1);
      std::mt19937_64 random(7);
      for (std::byte& b : bytes) b = static_cast<std::byte>(random());
      Matrix expected{1, n, test::Floats(static_cast<size_t>(n))}, actual = expected;
      decode_row(dtype, bytes.data() + 1, n, expected.values.data());
      cpu::decode(kernels, dtype, bytes.data() + 1, n, actual.values.data());
      EXPECT_TRUE(is_same(actual, expected));
    }
  }
}

TEST(CpuKernelsTest, PlainTypesDecodeAnyNumberOfElementsAndNoMore) {
  for (const cpu::Kernels& kernels : kernels_here()) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF8_E4M3}) {
      for (int64_t n = 0; n < 40; ++n) {
        const std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, n)));
        std::vector<float> to(static_cast<size_t>(n) + 1, 5.0f);
        cpu::decode(kernels, dtype, bytes.data(), n, to.data());
        EXPECT_EQ(std::count(to.begin(), to.end(), 0.0f), n);
        EXPECT_EQ(to.back(), 5.0f);
      }
    }
  }
}

Matrix one_row(const Matrix& x, int64_t r) { return x.some_rows(r, 1); }

// P9, D1, D4: beyond the batches that the tests of the op try, across the rows of one pass over a
// panel (96).
TEST(CpuBackendTest, ARowHasTheSameBitsInLargeBatches) {
  for (const cpu::Kernels& kernels : kernels_here()) {
    const auto alone = cpu_backend(kernels.name, 1);
    for (const DType dtype : {DType::kF32, DType::kQ8_0, DType::kQ4_K, DType::kIQ2_S}) {
      SCOPED_TRACE(testing::Message() << kernels.name << " " << name(dtype));
      const auto w = test::random_weight(dtype, 1, 43, 1024, 1);
      const Matrix x = test::random_matrix(203, 1024, 2);
      for (const int n_threads : {1, 2, 3}) {
        const Matrix all = product(*cpu_backend(kernels.name, n_threads), x, w);
        for (const int64_t r : {0, 6, 7, 95, 96, 97, 191, 192, 202})
          EXPECT_TRUE(is_same(one_row(all, r), product(*alone, one_row(x, r), w))) << r;
        EXPECT_TRUE(is_same(all.some_rows(64, 7), product(*alone, x.some_rows(64, 7), w)));
      }
    }
  }
}

TEST(CpuBackendTest, Avx2AndAvx512AgreeToTheBit) {
  if (!has("avx512")) GTEST_SKIP() << "this machine has only one of them";
  for (const char* activations : {"int8", "f32"}) {
    const auto avx2 = cpu_backend("avx2", 1, activations);
    const auto avx512 = cpu_backend("avx512", 1, activations);
    for (const DType dtype : test::weight_dtypes()) {
      const bool may_be_bf16 = dtype == DType::kBF16 || dtype == DType::kF8_E4M3;
      if (may_be_bf16 && std::string_view(activations) == "int8") continue;
      SCOPED_TRACE(testing::Message() << name(dtype) << " " << activations);
      const auto w = test::random_weight(dtype, 1, 21, 1280, 1);
      for (const int64_t n_rows : {1, 2, 9}) {
        const Matrix x = test::random_matrix(n_rows, 1280, 2);
        const Matrix expected = product(*avx2, x, w);
        EXPECT_TRUE(is_same(expected, product(*avx512, x, w)));
        if (!has("avx_vnni")) continue;
        EXPECT_TRUE(is_same(expected, product(*cpu_backend("avx_vnni", 1, activations), x, w)));
      }
    }
  }
}

// Scales of blocks: decoded into registers or into a panel, on either instruction set.
TEST(CpuBackendTest, Fp8WithScalesHasTheSameBitsEverywhere) {
  if (!has("avx512")) GTEST_SKIP() << "this machine has only one of them";
  for (const int64_t block_cols : {16, 128, 100}) {
    for (const int64_t n_cols : {1280, 1299}) {
      const auto w = test::with_scales(test::random_weight(DType::kF8_E4M3, 1, 301, n_cols, 1), 128,
                                       block_cols, 3);
      const Matrix x = test::random_matrix(9, n_cols, 2);
      const Matrix all = product(*cpu_backend("avx2", 1, "f32"), x, w);
      EXPECT_TRUE(is_same(all, product(*cpu_backend("avx512", 2, "f32"), x, w)));
      for (const char* isa : {"avx2", "avx512"}) {
        const auto backend = cpu_backend(isa, 1, "f32");
        EXPECT_TRUE(is_same(all.some_rows(3, 1), product(*backend, x.some_rows(3, 1), w)));
        EXPECT_TRUE(is_same(all.some_rows(3, 2), product(*backend, x.some_rows(3, 2), w)));
      }
    }
  }
}

// What kernels.hpp says about rounding, in plain words: steps of 1 / 127 of the largest of 256.
Matrix rounded(Matrix x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t first = 0; first < x.cols; first += 256) {
      float* stretch = x.row(r) + first;
      const int64_t n = std::min<int64_t>(256, x.cols - first);
      float largest = 0.0f;
      for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(stretch[i]));
      for (int64_t i = 0; i < n; ++i) {
        const float level = std::nearbyint(stretch[i] * (127.0f / largest));
        stretch[i] = level * (largest / 127.0f);
      }
    }
  }
  return x;
}

// Rounding is all that products in 8 bits lose.
TEST(CpuBackendTest, RoundedActivationsAreMultipliedExactly) {
  for (const cpu::Kernels& kernels : kernels_here()) {
    if (kernels.round_to_int8 == nullptr) continue;
    const auto backend = cpu_backend(kernels.name, 1);
    int n_types = 0;
    for (const DType dtype : test::weight_dtypes()) {
      if (cpu::int8_kernels(kernels, dtype) == nullptr) continue;
      ++n_types;
      const int64_t block = info(dtype).block_elements;
      for (const test::Scales scales : {test::Scales::kOrdinary, test::Scales::kExtreme}) {
        for (const int64_t n_cols : {block, 3 * block, int64_t{512}, int64_t{2048} + block}) {
          SCOPED_TRACE(testing::Message() << kernels.name << " " << name(dtype) << " " << n_cols
                                          << " scales " << static_cast<int>(scales));
          const auto w = test::random_weight(dtype, 1, 67, n_cols, 1, scales);
          for (const int64_t n_rows : {1, 2, 3, 6, 7, 100}) {
            const Matrix x = test::random_matrix(n_rows, n_cols, 2);
            EXPECT_TRUE(is_near(product(*backend, x, w),
                                test::expected_matmul(rounded(x), w.decoded(0)),
                                test::kSumTolerance))
                << n_rows;
          }
        }
      }
    }
    EXPECT_EQ(n_types, 23);
  }
}

Matrix rounded_to_bf16(Matrix x) {
  for (float& value : x.values) value = float_from_bf16(bf16_from_float(value));
  return x;
}

// Of products in bf16 too, whatever the lengths and the numbers of rows; and a row is the same
// alone and in a batch.
TEST(CpuBackendTest, ActivationsRoundedToBf16AreMultipliedExactly) {
  if (!cpu::features_of_this_machine().avx512_bf16) GTEST_SKIP() << "no bf16 on this machine";
  const auto backend = cpu_backend("avx512", 2);
  for (const DType dtype : {DType::kBF16, DType::kF8_E4M3}) {
    for (const int64_t n_cols : {1, 31, 32, 63, 65, 200, 2048, 2049, 4200}) {
      for (const int64_t n_out : {1, 3, 4, 67}) {
        SCOPED_TRACE(testing::Message() << name(dtype) << " [" << n_out << ", " << n_cols << "]");
        const auto w = test::random_weight(dtype, 1, n_out, n_cols, 1);
        const Matrix x = test::random_matrix(200, n_cols, 2);
        const Matrix all = product(*backend, x, w);
        EXPECT_TRUE(is_near(all, test::expected_matmul(rounded_to_bf16(x), w.decoded(0)),
                            test::kSumTolerance));
        for (const int64_t n_rows : {1, 2, 3, 5, 6, 7, 12, 13, 97})
          EXPECT_TRUE(
              is_same(all.some_rows(90, n_rows), product(*backend, x.some_rows(90, n_rows), w)))
              << n_rows;
      }
    }
  }
}

// The scale of a block goes with the activations before they are rounded.
TEST(CpuBackendTest, ScalesOfFp8AreRoundedWithTheActivations) {
  if (!cpu::features_of_this_machine().avx512_bf16) GTEST_SKIP() << "no bf16 on this machine";
  const auto backend = cpu_backend("avx512", 1);
  constexpr int64_t kBlock = 128, kCols = 2 * kBlock + 70;
  const auto codes = test::random_weight(DType::kF8_E4M3, 1, 300, kCols, 1);
  const auto w = test::with_scales(codes, kBlock, kBlock, 3);
  const Matrix x = test::random_matrix(9, kCols, 2);
  const Matrix all = product(*backend, x, w), levels = codes.decoded(0);
  for (int64_t first = 0; first < 300; first += kBlock) {
    Matrix scaled = x;
    for (int64_t r = 0; r < x.rows; ++r) w.source.scales.apply(0, first, 0, kCols, scaled.row(r));
    const int64_t n = std::min(kBlock, 300 - first);
    const auto expected =
        test::expected_matmul(rounded_to_bf16(scaled), levels.some_rows(first, n));
    Matrix part = test::matrix_of(x.rows, n, 0.0f);
    for (int64_t r = 0; r < x.rows; ++r) std::copy_n(all.row(r) + first, n, part.row(r));
    EXPECT_TRUE(is_near(part, expected, test::kSumTolerance));
  }
  for (const int64_t n_rows : {1, 2, 3})
    EXPECT_TRUE(is_same(all.some_rows(4, n_rows), product(*backend, x.some_rows(4, n_rows), w)));
}

// A router's choice may not turn on how its inputs were rounded.
TEST(CpuBackendTest, InputsOfAWeightThatDecidesAreNotRounded) {
  for (const DType dtype : {DType::kBF16, DType::kF8_E4M3, DType::kQ8_0}) {
    SCOPED_TRACE(name(dtype));
    auto w = test::random_weight(dtype, 1, 64, 512, 1);
    w.source.decides = true;
    const Matrix x = test::random_matrix(7, 512, 2);
    EXPECT_TRUE(is_near(product(*cpu_backend("auto", 1), x, w),
                        test::expected_matmul(x, w.decoded(0)), test::kSumTolerance));
    EXPECT_TRUE(is_near(product(*cpu_backend("auto", 1), one_row(x, 3), w),
                        test::expected_matmul(one_row(x, 3), w.decoded(0)), test::kSumTolerance));
  }
}

// Every level of every row at its largest, of either sign: nothing overflows on the way.
TEST(CpuBackendTest, TheLargestSumsFit) {
  for (const cpu::Kernels& kernels : kernels_here()) {
    if (kernels.round_to_int8 == nullptr) continue;
    const auto backend = cpu_backend(kernels.name, 1);
    for (const DType dtype : test::weight_dtypes()) {
      if (cpu::int8_kernels(kernels, dtype) == nullptr) continue;
      for (const int fill : {0x00, 0x7f, 0x80, 0xff}) {
        SCOPED_TRACE(testing::Message() << kernels.name << " " << name(dtype) << " " << fill);
        auto w = test::random_weight(dtype, 1, 33, 1024, 1);
        std::vector<std::byte> bytes(static_cast<size_t>(33 * w.source.row_stride_bytes),
                                     static_cast<std::byte>(fill));
        // The scales as they were: they are where all-ones would be no number.
        const int64_t block = info(dtype).block_bytes;
        const auto keep = [&](int64_t first, int64_t n) {
          for (size_t i = 0; i < bytes.size(); i += static_cast<size_t>(block))
            std::copy_n(w.source.data + i + first, n, bytes.data() + i + first);
        };
        switch (dtype) {
          case DType::kQ2_K: keep(80, 4); break;
          case DType::kQ3_K: keep(108, 2); break;
          case DType::kQ6_K: keep(208, 2); break;
          case DType::kMXFP4: keep(0, 1); break;
          case DType::kIQ1_M: keep(48, 8); break;
          case DType::kTQ1_0: keep(52, 2); break;
          case DType::kTQ2_0: keep(64, 2); break;
          default: keep(0, 4); break;
        }
        const auto largest = test::weight_of(dtype, 1, 33, 1024, std::move(bytes));
        for (const float sign : {1.0f, -1.0f}) {
          const Matrix x = test::matrix_of(5, 1024, sign);
          const auto expected = test::expected_matmul(x, largest.decoded(0));
          EXPECT_TRUE(is_near(product(*backend, x, largest), expected, test::kOffsetTolerance));
          EXPECT_TRUE(is_near(product(*backend, one_row(x, 0), largest),
                              test::expected_matmul(one_row(x, 0), largest.decoded(0)),
                              test::kOffsetTolerance));
        }
      }
    }
  }
}

// Elements that fill no register are followed by a neighbour's, here NaN, which may not be touched.
TEST(CpuBackendTest, NothingBeyondTheEndOfARowCounts) {
  for (const cpu::Kernels& kernels : kernels_here()) {
    for (const int64_t k : {1, 5, 15, 17, 100, 515}) {
      SCOPED_TRACE(testing::Message() << kernels.name << " " << k);
      const int64_t stride = k + 3;
      Matrix wide_w = test::matrix_of(11, stride, std::nanf("")), wide_x = wide_w;
      for (int64_t r = 0; r < 11; ++r) {
        std::fill_n(wide_w.row(r), k, 2.0f);
        std::fill_n(wide_x.row(r), k, 3.0f);
      }
      auto w = test::f32_weight(1, wide_w);
      w.source.cols = k;
      const auto backend = cpu_backend(kernels.name, 1);
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
  const auto backend = must(make_cpu_backend(memory, must(thread_pool(1)), {}));
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
