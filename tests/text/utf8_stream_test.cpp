// Mirrors lib/text/utf8_stream.
#include "lib/text/utf8_stream.hpp"

#include <gtest/gtest.h>

#include "lib/text/unicode.hpp"

namespace hadal {
namespace {

std::string whole(absl::string_view bytes) {
  Utf8Stream stream;
  std::string out;
  stream.push(bytes, out);
  stream.finish(out);
  return out;
}

TEST(Utf8StreamTest, CharacterWaitsForItsLastByte) {
  Utf8Stream stream;
  std::string out;
  stream.push("a\xF0\x9F", out);
  EXPECT_EQ(out, "a");
  stream.push("\x9A", out);
  EXPECT_EQ(out, "a");
  stream.push("\x80", out);
  EXPECT_EQ(out, "a🚀");
}

TEST(Utf8StreamTest, BrokenStartsBecomeReplacementCharacters) {
  EXPECT_EQ(whole("a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(whole("\xE6\xAFz"), "\uFFFDz");
  EXPECT_EQ(whole("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(whole("\xE6\xAF"), "\uFFFD");  // unfinished at the end
}

// T6 in small: every way to cut the same bytes gives the same text.
TEST(Utf8StreamTest, TextDoesNotDependOnCuts) {
  const std::string bytes = "a\u00E9毕🚀\xFF\xE6\xAF\xF0\x9F\x9Az\xC3";
  const std::string wanted = whole(bytes);
  EXPECT_TRUE(is_utf8(wanted));
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      Utf8Stream stream;
      std::string out;
      stream.push(bytes.substr(0, first), out);
      stream.push(bytes.substr(first, second - first), out);
      stream.push(bytes.substr(second), out);
      stream.finish(out);
      ASSERT_EQ(out, wanted);
    }
  }
}

}  // namespace
}  // namespace hadal
