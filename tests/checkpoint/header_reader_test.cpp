// The buffered reader of headers: every way of stepping through a file gives the same bytes.
#include "lib/checkpoint/header_reader.hpp"

#include <gtest/gtest.h>

#include "tests/checkpoint/opening.hpp"

namespace hadal {
namespace {

TEST(HeaderReaderTest, GivesTheSameBytesInStepsOfAnySize) {
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes += static_cast<char>(i * 7 + i / 251);
  test::MemoryFiles memory;
  memory.put("f", bytes);
  const auto file = memory.files().open("f");
  ASSERT_TRUE(file.ok());
  for (const size_t step :
       {size_t{1}, size_t{7}, size_t{4096}, size_t{65536}, size_t{65537}, size_t{200'000}}) {
    HeaderReader reader(**file);
    std::string read;
    while (reader.remaining() != 0) {
      ASSERT_TRUE(reader.append(std::min<uint64_t>(step, reader.remaining()), &read, "x").ok());
      ASSERT_EQ(reader.position(), read.size());
      ASSERT_EQ(reader.position() + reader.remaining(), bytes.size());
    }
    EXPECT_EQ(read, bytes) << step;
  }
}

TEST(HeaderReaderTest, ReadsNothingAtAllWhenTheFileIsTooShort) {
  test::MemoryFiles memory;
  memory.put("f", "abc");
  const auto file = memory.files().open("f");
  ASSERT_TRUE(file.ok());
  HeaderReader reader(**file);
  uint32_t number = 7;
  test::expect_is_failure(reader.read(&number, "a number"), HADAL_E_FORMAT,
                          {"f: a number at byte 0 wants 4 bytes", "only 3 more"});
  EXPECT_EQ(number, 7u);
  EXPECT_EQ(reader.position(), 0u);
  std::string text;
  EXPECT_FALSE(reader.append(UINT64_MAX, &text, "x").ok());
  EXPECT_TRUE(reader.append(3, &text, "x").ok());
  EXPECT_EQ(text, "abc");
}

TEST(HeaderReaderTest, FailsWhereTheFileEndsEarlierThanItSaid) {
  test::MemoryFiles memory;
  memory.put("f", std::string(100'000, 'x'));
  const auto file = memory.files().open("f");
  ASSERT_TRUE(file.ok());
  memory.bytes("f").resize(50);  // cut while open
  HeaderReader reader(**file);
  std::string text;
  test::expect_is_failure(reader.append(100, &text, "x"), HADAL_E_FORMAT, {"the file ends"});
  EXPECT_EQ(reader.position(), 0u) << "and a second try reads again";
  EXPECT_FALSE(reader.append(100, &text, "x").ok());
}

TEST(HeaderReaderTest, QuotesNamesSoThatTheyCannotSteerATerminal) {
  EXPECT_EQ(printable("blk.0.attn"), "blk.0.attn");
  EXPECT_EQ(printable("\x1b[2J\n"), "\\x1b[2J\\n");
  EXPECT_EQ(printable(std::string(81, 'a')), std::string(80, 'a') + "...");
}

}  // namespace
}  // namespace hadal
