// Mirrors lib/text/byte_alphabet.
#include "lib/text/byte_alphabet.hpp"

#include <gtest/gtest.h>

#include <set>

namespace hadal {
namespace {

TEST(ByteAlphabetTest, SpaceAndLineFeedMoveAndPrintableBytesStay) {
  EXPECT_EQ(letter_of_byte(' '), 0x120u);
  EXPECT_EQ(letter_of_byte('\n'), 0x10Au);
  EXPECT_EQ(letter_of_byte(0xAD), 0x143u);
  EXPECT_EQ(letter_of_byte('!'), uint32_t{'!'});
  EXPECT_EQ(letter_of_byte(0xFF), 0xFFu);
}

TEST(ByteAlphabetTest, EveryByteHasALetterOfItsOwn) {
  std::set<uint32_t> letters;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint32_t letter = letter_of_byte(static_cast<uint8_t>(byte));
    letters.insert(letter);
    EXPECT_EQ(byte_of_letter(letter), static_cast<uint8_t>(byte));
  }
  EXPECT_EQ(letters.size(), 256u);
}

TEST(ByteAlphabetTest, CharactersOutsideTheAlphabetAreRefused) {
  for (const uint32_t c : {0x20u, 0x7Fu, 0xADu, 0x144u, 0x2581u, 0x110000u}) {
    EXPECT_EQ(byte_of_letter(c), std::nullopt);
  }
  EXPECT_EQ(bytes_of_spelling("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_spelling("a\xFF"), std::nullopt);
}

TEST(ByteAlphabetTest, SpellingAndBytesAreInverse) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  EXPECT_EQ(bytes_of_spelling(spelling_of_bytes(bytes)), bytes);
  EXPECT_EQ(spelling_of_bytes(" the"), "\u0120the");
}

}  // namespace
}  // namespace hadal
