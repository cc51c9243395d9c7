// What an opened checkpoint says under a name of config.json's; a test fails where it is an error.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>

#include "tests/checkpoint/opening.hpp"

namespace hadal::test {

inline std::optional<int64_t> integer(const Opened& opened, const char* name) {
  const auto value = opened->integer(name);
  EXPECT_TRUE(value.ok()) << name << ": " << message_of(value.status());
  return value.ok() ? *value : std::nullopt;
}
inline std::optional<double> real(const Opened& opened, const char* name) {
  const auto value = opened->real(name);
  EXPECT_TRUE(value.ok()) << name << ": " << message_of(value.status());
  return value.ok() ? *value : std::nullopt;
}
inline std::optional<std::string> text(const Opened& opened, const char* name) {
  const auto value = opened->text(name);
  EXPECT_TRUE(value.ok()) << name << ": " << message_of(value.status());
  return value.ok() ? *value : std::nullopt;
}
inline std::optional<bool> flag(const Opened& opened, const char* name) {
  const auto value = opened->flag(name);
  EXPECT_TRUE(value.ok()) << name << ": " << message_of(value.status());
  return value.ok() ? *value : std::nullopt;
}

}  // namespace hadal::test
