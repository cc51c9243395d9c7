// Mirrors lib/session/options: every option at its bounds and beyond, by key and by name, and where
// it is refused.
#include "lib/session/options.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "lib/session/sampler_options.hpp"

namespace hadal {
namespace {

TEST(OptionsTest, KeysAndNamesAreUniqueAndFound) {
  std::set<int32_t> keys;
  std::set<std::string> names;
  for (const OptionInfo& option : option_table()) {
    EXPECT_TRUE(keys.insert(option.key).second) << option.name;
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    EXPECT_EQ(find_option(option.key), &option);
    EXPECT_EQ(find_option(absl::string_view(option.name)), &option);
    EXPECT_GT(std::string(option.summary).size(), 5u) << option.name;
    const int32_t by_hundreds = option.key >= 900 ? option.scope : option.key / 100;
    EXPECT_EQ(by_hundreds, option.scope) << option.name;
  }
}

TEST(OptionsTest, BoundsAreKept) {
  for (const OptionInfo& option : option_table()) {
    SCOPED_TRACE(option.name);
    Config config;
    if (option.type == HADAL_TYPE_I64) {
      EXPECT_TRUE(config.set_i64(option.key, option.min_i64).ok());
      EXPECT_TRUE(config.set_i64(option.key, option.max_i64).ok());
      if (option.min_i64 > INT64_MIN) {
        EXPECT_EQ(code_of(config.set_i64(option.key, option.min_i64 - 1)), HADAL_E_OUT_OF_RANGE);
      }
      if (option.max_i64 < INT64_MAX) {
        EXPECT_EQ(code_of(config.set_i64(option.key, option.max_i64 + 1)), HADAL_E_OUT_OF_RANGE);
      }
      EXPECT_EQ(config.i64(option.key), option.max_i64) << "a refused value changes nothing";
      EXPECT_EQ(code_of(config.set_f64(option.key, 1.0)), HADAL_E_OUT_OF_RANGE);
      EXPECT_EQ(code_of(config.set_str(option.key, "1")), HADAL_E_OUT_OF_RANGE);
    } else if (option.type == HADAL_TYPE_F64) {
      EXPECT_TRUE(config.set_f64(option.key, option.min_f64).ok());
      EXPECT_TRUE(config.set_f64(option.key, option.max_f64).ok());
      const double infinity = std::numeric_limits<double>::infinity();
      for (const double bad : {std::nextafter(option.min_f64, -infinity),
                               std::nextafter(option.max_f64, infinity), infinity, std::nan("")}) {
        EXPECT_EQ(code_of(config.set_f64(option.key, bad)), HADAL_E_OUT_OF_RANGE) << bad;
      }
      EXPECT_EQ(config.f64(option.key), option.max_f64);
    } else {
      EXPECT_TRUE(config.set_str(option.key, "text").ok());
      EXPECT_EQ(config.str(option.key), "text");
      EXPECT_EQ(code_of(config.set_i64(option.key, 1)), HADAL_E_OUT_OF_RANGE);
    }
  }
  Config config;
  EXPECT_EQ(code_of(config.set_i64(12345, 1)), HADAL_E_UNKNOWN_OPTION);
}

TEST(OptionsTest, AKeyOfAnotherScopeIsRefusedAndNamed) {
  for (const OptionInfo& option : option_table()) {
    Config config;
    if (option.type == HADAL_TYPE_I64) {
      ASSERT_TRUE(config.set_i64(option.key, option.max_i64).ok());
    }
    if (option.type == HADAL_TYPE_F64) {
      ASSERT_TRUE(config.set_f64(option.key, option.max_f64).ok());
    }
    if (option.type == HADAL_TYPE_STR) {
      ASSERT_TRUE(config.set_str(option.key, "x").ok());
    }
    for (int32_t scope = HADAL_SCOPE_RUNTIME; scope <= HADAL_SCOPE_REQUEST; ++scope) {
      const absl::Status status = config.require_scope(scope);
      if (scope == option.scope) {
        EXPECT_TRUE(status.ok());
      } else {
        EXPECT_EQ(code_of(status), HADAL_E_UNKNOWN_OPTION);
        EXPECT_NE(message_of(status).find(option.name), std::string::npos);
      }
    }
  }
}

TEST(OptionsTest, StopTextsCollectAndClear) {
  Config config;
  ASSERT_TRUE(config.set_str(HADAL_OPT_STOP, "one").ok());
  ASSERT_TRUE(config.set_str(HADAL_OPT_STOP, "two").ok());
  EXPECT_EQ(config.strs(HADAL_OPT_STOP), (std::vector<std::string>{"one", "two"}));
  ASSERT_TRUE(config.set_str(HADAL_OPT_STOP, "").ok());
  EXPECT_TRUE(config.strs(HADAL_OPT_STOP).empty());
}

TEST(OptionsTest, ASeedIsDrawnWhereNoneIsGiven) {
  const uint64_t a = sampler_options(Config())->seed, b = sampler_options(Config())->seed;
  EXPECT_NE(a, b);
  Config config;
  ASSERT_TRUE(config.set_i64(HADAL_OPT_SEED, -5).ok());
  EXPECT_EQ(sampler_options(config)->seed, static_cast<uint64_t>(-5));
}

}  // namespace
}  // namespace hadal
