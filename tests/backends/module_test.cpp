// Mirrors backends/module.hpp, module_backend.hpp and what the loader makes of a file: one that is
// not there, that is no library, no module, or a module of another build.
#include "backends/module.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "backends/cpu/cpu_features.hpp"
#include "backends/loader.hpp"
#include "backends/module_backend.hpp"
#include "backends/onednn/crossover.hpp"
#include "tests/backends/workbench.hpp"

namespace hadal {
namespace {

// A folder of modules, gone with it.
class Folder {
 public:
  Folder() { EXPECT_NE(mkdtemp(path_), nullptr); }
  ~Folder() {
    unlink(module().c_str());
    rmdir(path_);
  }
  std::string path() const { return path_; }
  std::string module() const { return path() + "/libhadal_onednn.so"; }

 private:
  char path_[32] = "/tmp/hadal-module-XXXXXX";
};

absl::StatusOr<std::unique_ptr<Backend>> load(const std::string& folder,
                                              const std::string& name = "onednn") {
  BackendOptions options{name};
  options.module_path = folder;
  return make_backend(options, Memory::create(nullptr, 0), caller_only());
}

TEST(ModuleTest, OneThatIsNotThereIsNotFoundAndSaysWhereToPutIt) {
  const Folder folder;
  const absl::Status status = load(folder.path()).status();
  EXPECT_EQ(code_of(status), HADAL_E_NOT_FOUND);
  EXPECT_NE(message_of(status).find(folder.module()), std::string::npos) << message_of(status);
  EXPECT_NE(hint_of(status).find("module_path"), std::string::npos) << hint_of(status);
}

TEST(ModuleTest, AFileThatIsNoLibraryIsRefused) {
  const Folder folder;
  std::ofstream(folder.module()) << "\177ELF, or so it says";
  const absl::Status status = load(folder.path() + "/").status();
  EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << message_of(status);
  EXPECT_NE(message_of(status).find(folder.module()), std::string::npos) << message_of(status);
}

TEST(ModuleTest, ALibraryThatIsNoModuleIsRefused) {
  const Folder folder;
  ASSERT_EQ(symlink(HADAL_TEST_NO_MODULE, folder.module().c_str()), 0);
  const absl::Status status = load(folder.path()).status();
  EXPECT_EQ(code_of(status), HADAL_E_FORMAT) << message_of(status);
  EXPECT_NE(message_of(status).find("not a module"), std::string::npos) << message_of(status);
}

// Its make() would end the program: it must not be called.
TEST(ModuleTest, AModuleOfAnotherBuildIsRefusedWithBothIds) {
  const Folder folder;
  ASSERT_EQ(symlink(HADAL_TEST_FOREIGN_MODULE, folder.module().c_str()), 0);
  const absl::Status status = load(folder.path()).status();
  EXPECT_EQ(code_of(status), HADAL_E_VERSION) << message_of(status);
  EXPECT_NE(message_of(status).find(kBuildId), std::string::npos) << message_of(status);
  EXPECT_NE(message_of(status).find("another build"), std::string::npos) << message_of(status);
}

TEST(ModuleTest, AutoDoesWithoutAModuleThatFails) {
  const Folder folder;
  for (const char* target : {"/nowhere", HADAL_TEST_NO_MODULE, HADAL_TEST_FOREIGN_MODULE}) {
    unlink(folder.module().c_str());
    ASSERT_EQ(symlink(target, folder.module().c_str()), 0);
    const auto backend = load(folder.path(), "auto");
    ASSERT_TRUE(backend.ok()) << message_of(backend.status());
    EXPECT_STREQ((*backend)->name(), "cpu");
  }
}

TEST(ModuleTest, WithoutAFolderItIsLookedForBesideTheCode) {
  const std::string folder = folder_of_code(kBuildId);
  ASSERT_FALSE(folder.empty());
  EXPECT_EQ(folder.back(), '/');
  char self[4096] = {};
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof self - 1), 0);
  EXPECT_EQ(
      access((folder + std::string(self).substr(std::string(self).rfind('/') + 1)).c_str(), F_OK),
      0);
  const absl::Status status = load("").status();
  EXPECT_EQ(code_of(status), HADAL_E_NOT_FOUND);
  EXPECT_NE(message_of(status).find(folder), std::string::npos) << message_of(status);
}

TEST(ModuleTest, ABuildIdIsOneOfBothSidesAndNotEmpty) {
  EXPECT_EQ(std::string(kBuildId).size(), 32u);
}

#ifdef HADAL_TEST_MODULES

bool is_mapped(const std::string& file) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(file) != std::string::npos) return true;
  }
  return false;
}

class OnednnModuleTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!onednn::is_of_use(cpu::features_of_this_machine())) GTEST_SKIP() << "no AVX512_BF16 here";
  }
};

// What it handed out is given back by its code, whoever goes first.
TEST_F(OnednnModuleTest, TheLastToHoldSomethingOfItUnloadsIt) {
  std::optional<Buffer> buffer;
  {
    const auto backend = test::must(load(HADAL_TEST_MODULES));
    EXPECT_STREQ(backend->name(), "onednn");
    EXPECT_TRUE(is_mapped("libhadal_onednn.so"));
    buffer = test::must(backend->allocate(DType::kF32, 3, 5, MemoryTag::kScratch));
    test::Workbench bench(*backend);
    const Tensor x = bench.put(test::random_matrix(64, 96, 1));
    const Tensor out = bench.empty(64, 80);
    backend->matmul(x, bench.upload(test::random_weight(DType::kBF16, 1, 80, 96, 2)), out);
    test::must(backend->wait());
  }
  EXPECT_TRUE(is_mapped("libhadal_onednn.so"));
  buffer.reset();
#ifdef HADAL_TEST_MODULES_LEAVE
  EXPECT_FALSE(is_mapped("libhadal_onednn.so"));
#endif
}

TEST_F(OnednnModuleTest, ItComesAndGoesAnyNumberOfTimes) {
  for (int i = 0; i < 20; ++i) {
    const auto backend = test::must(load(HADAL_TEST_MODULES));
    test::Workbench bench(*backend);
    const Tensor out = bench.empty(32, 64);
    backend->matmul(bench.put(test::random_matrix(32, 64, 1)),
                    bench.upload(test::random_weight(DType::kF32, 1, 64, 64, 2)), out);
    test::must(backend->wait());
  }
}

TEST_F(OnednnModuleTest, ItKeepsToTheInstructionSetThatItIsFor) {
  BackendOptions options{"onednn", "avx2"};
  options.module_path = HADAL_TEST_MODULES;
  const absl::Status status =
      make_backend(options, Memory::create(nullptr, 0), caller_only()).status();
  EXPECT_EQ(code_of(status), HADAL_E_UNSUPPORTED);
  EXPECT_NE(message_of(status).find("avx2"), std::string::npos);
}

// Of every shape that has been tried, with room to spare; a product that wants more is not taken.
TEST_F(OnednnModuleTest, ProductsNeedNoMoreMemoryThanSaid) {
  for (const bool batch_invariant : {true, false}) {
    for (const int64_t n_rows : {1, 2, 40, 300}) {
      for (const DType dtype : {DType::kBF16, DType::kF32}) {
        SCOPED_TRACE(testing::Message() << n_rows << " rows, " << name(dtype));
        const auto memory = Memory::create(nullptr, 0);
        BackendOptions options{.name = "onednn", .batch_invariant = batch_invariant};
        options.module_path = HADAL_TEST_MODULES;
        const auto backend = test::must(make_backend(options, memory, test::must(thread_pool(2))));
        test::Workbench bench(*backend);
        const Tensor x = bench.put(test::random_matrix(n_rows, 1536, 1));
        const Tensor out = bench.empty(n_rows, 1100);
        const Weight& w = bench.upload(test::random_weight(dtype, 1, 1100, 1536, 2));
        const Weight& gate = bench.upload(test::random_weight(dtype, 4, 64, 1536, 3));
        const Weight& up = bench.upload(test::random_weight(dtype, 4, 64, 1536, 4));
        const Weight& down = bench.upload(test::random_weight(dtype, 4, 1536, 64, 5));
        test::Ids ids;
        for (int64_t i = 0; i < 2 * n_rows; ++i) ids.push_back(static_cast<int32_t>(i % 3));
        const MoeFfnArgs args = {.x = x,
                                 .expert_ids = bench.put(ids, 2),
                                 .expert_weights = bench.put(test::random_matrix(n_rows, 2, 6)),
                                 .gate_proj = &gate,
                                 .up_proj = &up,
                                 .down_proj = &down,
                                 .out = bench.empty(n_rows, 1536)};
        const uint64_t before = memory->live_bytes();
        backend->matmul(x, w, out);
        backend->moe_ffn(args);
        test::must(backend->wait());
        EXPECT_LE(memory->peak_bytes() - before,
                  backend->scratch_bytes({.max_rows = n_rows,
                                          .hidden_size = 1536,
                                          .max_in_features = 1536,
                                          .num_experts_per_tok = 2,
                                          .moe_intermediate_size = 64}));
      }
    }
  }
}

TEST_F(OnednnModuleTest, ItKeepsToTheBudget) {
  const auto memory = Memory::create(nullptr, 40000);
  BackendOptions options{"onednn"};
  options.module_path = HADAL_TEST_MODULES;
  const auto backend = test::must(make_backend(options, memory, caller_only()));
  std::vector<float> values(64 * 32);
  const Tensor x = Tensor::f32(values.data(), 64, 32), out = Tensor::f32(values.data(), 64, 32);
  const auto w = test::random_weight(DType::kBF16, 1, 32, 32, 1);
  backend->matmul(x, test::must(backend->upload(w.source)), out);
  EXPECT_EQ(code_of(backend->wait()), HADAL_E_BUDGET);
}

#else

TEST(ModuleTest, ThisBuildHasNone) {
  const absl::Status status = load("").status();
  EXPECT_EQ(code_of(status), HADAL_E_NOT_FOUND);
}

#endif

}  // namespace
}  // namespace hadal
