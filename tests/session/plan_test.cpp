// The memory plan, made from headers alone, against the high-water mark of a model at work.
#include <gtest/gtest.h>

#include "tests/session/workbench.hpp"

namespace hadal::test {
namespace {

struct Case {
  const char* file;
  int64_t mmap;
};

class PlanTest : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Files, PlanTest,
                         testing::Values(Case{kStory, 0}, Case{kStory, 1}, Case{kToy, 0},
                                         Case{kToy, 1}),
                         [](const auto& param) {
                           return std::string(param.param.file == kStory ? "story" : "toy") +
                                  (param.param.mmap != 0 ? "_mapped" : "_read");
                         });

TEST_P(PlanTest, AgreesWithTheHighWaterMarkOfA512TokenContext) {
  const Config config = with(HADAL_OPT_MMAP, GetParam().mmap);
  const auto r = runtime(2);
  const auto plan = plan_memory(r->resources(), GetParam().file, *model_options(*r, config));
  ASSERT_TRUE(plan.ok()) << message_of(plan.status());
  EXPECT_EQ(r->resources().memory->peak_bytes(), 0u) << "a plan allocates nothing";

  const auto model = load(r, GetParam().file, config);
  const auto s = session(model);
  ASSERT_TRUE(s->append(std::vector<int32_t>(500, 5)).ok());
  ASSERT_TRUE(generate(s, 12).status.ok());
  const auto peak = static_cast<double>(r->resources().memory->peak_bytes());
  EXPECT_LE(peak, static_cast<double>(plan->host_minimum));
  EXPECT_GE(peak, 0.9 * static_cast<double>(plan->host_minimum));
  EXPECT_EQ(plan->mapped != 0, GetParam().mmap != 0);
}

TEST_P(PlanTest, TheMinimumIsEnoughAndLittleLessIsNot) {
  const Config config = with(HADAL_OPT_MMAP, GetParam().mmap);
  const auto planner = runtime(2);  // every thread has memory of its own, so they count
  const auto plan =
      plan_memory(planner->resources(), GetParam().file, *model_options(*planner, config));
  ASSERT_TRUE(plan.ok());
  for (const double share : {1.0, 0.85}) {
    Config limits = with(HADAL_OPT_THREADS, 2);
    ASSERT_TRUE(limits
                    .set_i64(HADAL_OPT_HOST_BYTES,
                             static_cast<int64_t>(share * static_cast<double>(plan->host_minimum)))
                    .ok());
    const auto r = *Runtime::create(limits);
    auto request = *LoadRequest::create(r, GetParam().file, config);
    absl::Status status = run(*request).status;
    if (status.ok()) {
      const auto s = session(*request->model());
      ASSERT_TRUE(s->append(std::vector<int32_t>(512, 5)).ok());
      status = prefill(s).status;
    }
    request->close();
    EXPECT_EQ(code_of(status), share == 1.0 ? HADAL_OK : HADAL_E_BUDGET) << message_of(status);
  }
}

}  // namespace
}  // namespace hadal::test
