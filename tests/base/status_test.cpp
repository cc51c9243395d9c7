// The door to absl::Status.
#include "lib/base/status.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hadal {
namespace {

TEST(StatusTest, CarriesCodeMessageHintAndErrorNumber) {
  for (hadal_status code = HADAL_E_INTERNAL; code < 0; ++code) {
    const absl::Status status = fail(code, "what and where", "what to do", 28);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(code_of(status), code);
    EXPECT_EQ(message_of(status), "what and where");
    EXPECT_EQ(hint_of(status), "what to do");
    EXPECT_EQ(os_error_of(status), 28);
  }
}

TEST(StatusTest, NamesEveryCodeOnce) {
  std::set<std::string> names;
  for (hadal_status code = HADAL_E_INTERNAL; code <= HADAL_DONE; ++code) {
    EXPECT_STRNE(status_name(code), "E_?") << code;
    EXPECT_TRUE(names.insert(status_name(code)).second) << code;
  }
  for (const hadal_status code : {HADAL_E_INTERNAL - 1, HADAL_DONE + 1, INT32_MIN, INT32_MAX}) {
    EXPECT_STREQ(status_name(code), "E_?");
  }
}

TEST(StatusTest, TakesForeignStatusesForBugs) {
  const absl::Status foreign = absl::InvalidArgumentError("from elsewhere");
  EXPECT_EQ(code_of(foreign), HADAL_E_INTERNAL);
  EXPECT_EQ(message_of(foreign), "from elsewhere");
  EXPECT_EQ(hint_of(foreign), "");
  EXPECT_EQ(os_error_of(foreign), 0);
  EXPECT_EQ(code_of(absl::OkStatus()), HADAL_OK);
}

TEST(StatusTest, SurvivesItsOwnSeparatorInATextFromAFile) {
  const absl::Status status = fail(HADAL_E_FORMAT, "a\x1f-1\x1f-20", "b\x1f", 0);
  EXPECT_EQ(code_of(status), HADAL_E_FORMAT);
  EXPECT_EQ(message_of(status), "a?-1?-20");
  EXPECT_EQ(hint_of(status), "b?");
}

TEST(StatusTest, PrefixesTheMessageAndKeepsTheRest) {
  const absl::Status status = prefix("shard 2", prefix("tensor x", fail(HADAL_E_IO, "m", "h", 5)));
  EXPECT_EQ(message_of(status), "shard 2: tensor x: m");
  EXPECT_EQ(code_of(status), HADAL_E_IO);
  EXPECT_EQ(hint_of(status), "h");
  EXPECT_EQ(os_error_of(status), 5);
  EXPECT_TRUE(prefix("x", absl::OkStatus()).ok());
}

TEST(StatusTest, ACheckThrowsWithFileLineAndCondition) {
  try {
    HADAL_CHECK(1 + 1 == 3);
    FAIL() << "did not throw";
  } catch (const InternalError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("status_test.cpp:"), std::string::npos);
    EXPECT_NE(text.find("1 + 1 == 3"), std::string::npos);
  }
  EXPECT_NO_THROW(HADAL_CHECK(1 + 1 == 2));
}

TEST(StatusTest, AnInternalErrorCutsALongConditionShort) {
  const std::string condition(1000, 'c');
  const InternalError error(condition.c_str(), "file.cpp", 7);
  const std::string text = error.what();
  EXPECT_LT(text.size(), 256u);
  EXPECT_EQ(text.substr(0, 10), "file.cpp:7");
}

absl::StatusOr<int> half(int n) {
  if (n % 2 != 0) return fail(HADAL_E_OUT_OF_RANGE, "odd", "Give an even number.");
  return n / 2;
}
absl::StatusOr<int> quarter(int n) {
  HADAL_ASSIGN_OR_RETURN(const int once, half(n));
  HADAL_RETURN_IF_ERROR(half(once).status());
  return half(once);
}

TEST(StatusTest, TheMacrosPassFailuresOn) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(code_of(quarter(6).status()), HADAL_E_OUT_OF_RANGE);
  EXPECT_EQ(message_of(quarter(7).status()), "odd");
}

}  // namespace
}  // namespace hadal
