// Mirrors backends/loader.
#include "backends/loader.hpp"

#include <gtest/gtest.h>

namespace hadal {
namespace {

absl::StatusOr<std::unique_ptr<Backend>> make(const std::string& name, const std::string& isa,
                                              uint64_t budget_bytes = 0) {
  return make_backend({name, isa}, Memory::create(nullptr, budget_bytes), caller_only());
}

TEST(LoaderTest, GivesTheBackendOfTheName) {
  for (const char* name : {"cpu", "reference"}) {
    const auto backend = make(name, "auto");
    ASSERT_TRUE(backend.ok());
    EXPECT_STREQ((*backend)->name(), name);
  }
}

TEST(LoaderTest, AutoIsTheFastestThereIs) {
  const auto backend = make("auto", "auto");
  ASSERT_TRUE(backend.ok());
  EXPECT_STREQ((*backend)->name(), "cpu");
}

TEST(LoaderTest, ActivationsAreOfATypeThatThereIs) {
  for (const char* activations : {"int8", "f32"}) {
    EXPECT_TRUE(
        make_backend({"cpu", "auto", activations}, Memory::create(nullptr, 0), caller_only()).ok());
  }
  const absl::Status refused =
      make_backend({"cpu", "auto", "int4"}, Memory::create(nullptr, 0), caller_only()).status();
  EXPECT_EQ(code_of(refused), HADAL_E_OUT_OF_RANGE);
  EXPECT_NE(message_of(refused).find("int4"), std::string::npos);
  EXPECT_NE(hint_of(refused).find("f32"), std::string::npos);
}

TEST(LoaderTest, AnInstructionSetIsKeptToOrRefused) {
  const auto scalar = make("cpu", "scalar");
  ASSERT_TRUE(scalar.ok());
  EXPECT_NE((*scalar)->description().find("scalar"), std::string::npos);
  const auto unknown = make("cpu", "mmx");
  ASSERT_EQ(code_of(unknown.status()), HADAL_E_OUT_OF_RANGE);
  EXPECT_NE(hint_of(unknown.status()).find("scalar"), std::string::npos);
}

TEST(LoaderTest, AnUnknownNameIsRefusedWithTheNamesThereAre) {
  const auto backend = make("gpu", "auto");
  ASSERT_EQ(code_of(backend.status()), HADAL_E_OUT_OF_RANGE);
  EXPECT_NE(message_of(backend.status()).find("gpu"), std::string::npos);
  EXPECT_NE(hint_of(backend.status()).find("reference"), std::string::npos);
}

TEST(LoaderTest, TheBackendKeepsToTheBudgetOfItsMemory) {
  const auto backend = make("auto", "auto", 1000);
  ASSERT_TRUE(backend.ok());
  const auto buffer = (*backend)->allocate(DType::kF32, 100, 100, MemoryTag::kScratch);
  EXPECT_EQ(code_of(buffer.status()), HADAL_E_BUDGET);
}

}  // namespace
}  // namespace hadal
