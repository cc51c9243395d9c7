// Mirrors backends/onednn/onednn_guard.hpp: whatever is thrown comes out as a status.
#include "backends/onednn/onednn_guard.hpp"

#include <gtest/gtest.h>

namespace hadal::onednn {
namespace {

TEST(OnednnGuardTest, WhatReturnsAStatusKeepsIt) {
  EXPECT_TRUE(guarded("op", [] { return absl::OkStatus(); }).ok());
  EXPECT_EQ(code_of(guarded("op", [] { return fail(HADAL_E_BUDGET, "no", "more"); })),
            HADAL_E_BUDGET);
}

TEST(OnednnGuardTest, ItsOwnErrorsSayWhatFailedAndWhatToDo) {
  const absl::Status status = guarded("matmul", []() -> absl::Status {
    throw dnnl::error(dnnl_runtime_error, "could not execute a primitive");
  });
  EXPECT_EQ(code_of(status), HADAL_E_INTERNAL);
  EXPECT_NE(message_of(status).find("matmul: oneDNN: could not execute a primitive"),
            std::string::npos)
      << message_of(status);
  EXPECT_NE(hint_of(status).find("cpu"), std::string::npos);
}

TEST(OnednnGuardTest, MemoryThatIsNotThereIsNoMemory) {
  EXPECT_EQ(code_of(guarded("op",
                            []() -> absl::Status {
                              throw dnnl::error(dnnl_out_of_memory, "could not create a primitive");
                            })),
            HADAL_E_NO_MEMORY);
  EXPECT_EQ(code_of(guarded("op", []() -> absl::Status { throw std::bad_alloc(); })),
            HADAL_E_NO_MEMORY);
}

TEST(OnednnGuardTest, AnythingElseIsInternal) {
  const absl::Status bug = guarded("op", []() -> absl::Status {
    HADAL_CHECK(false);
    return absl::OkStatus();
  });
  EXPECT_EQ(code_of(bug), HADAL_E_INTERNAL);
  EXPECT_NE(message_of(bug).find("broken invariant"), std::string::npos);
  EXPECT_EQ(code_of(guarded("op", []() -> absl::Status { throw 7; })), HADAL_E_INTERNAL);
}

// An error of the library itself, not one of ours: a shape that cannot be.
TEST(OnednnGuardTest, AnErrorOfTheLibraryArrives) {
  const absl::Status status = guarded("op", [] {
    dnnl::memory::desc(dnnl::memory::dims{-3, 2}, dnnl::memory::data_type::f32,
                       dnnl::memory::dims{2, 1});
    return absl::OkStatus();
  });
  EXPECT_EQ(code_of(status), HADAL_E_INTERNAL);
}

}  // namespace
}  // namespace hadal::onednn
