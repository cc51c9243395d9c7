// Numbers in GGUF files: of any width, of the wrong type, at the ends of their range.
#include "lib/checkpoint/gguf_checkpoint.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>

#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/values_of.hpp"

namespace hadal {
namespace {

using test::expect_refused;
using test::GgufWriter;
using test::integer;
using test::open_writer;
using test::raw;
using test::tiny_model;

TEST(GgufValueTypesTest, ReadsIntegersOfAnyWidth) {
  const std::pair<uint32_t, std::string> same[] = {
      {0, raw(uint8_t{61})},   {1, raw(int8_t{61})},   {2, raw(uint16_t{61})},
      {3, raw(int16_t{61})},   {4, raw(uint32_t{61})}, {5, raw(int32_t{61})},
      {10, raw(uint64_t{61})}, {11, raw(int64_t{61})},
  };
  for (const auto& [type, value] : same) {
    GgufWriter w = tiny_model();
    w.set_raw("deepseek2.embedding_length", type, value);
    const auto file = open_writer(w);
    ASSERT_TRUE(file->ok()) << type;
    EXPECT_EQ(integer(*file, "hidden_size"), 61) << type;
  }
}

TEST(GgufValueTypesTest, RefusesIntegersBeyond63Bits) {
  GgufWriter w = tiny_model();
  w.set_raw("deepseek2.embedding_length", 10, raw(uint64_t{1} << 63));
  expect_refused(w, HADAL_E_FORMAT, {"deepseek2.embedding_length", "9223372036854775808"});
}

TEST(GgufValueTypesTest, RefusesNumbersThatAreNotFinite) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    GgufWriter w = tiny_model();
    w.set_f32("deepseek2.rope.freq_base", value);
    expect_refused(w, HADAL_E_FORMAT, {"deepseek2.rope.freq_base", "finite"});
  }
}

// Each key that hadal reads, given each type that is not its own, is an error that names the key.
TEST(GgufValueTypesTest, RefusesEveryKeyWithEveryWrongType) {
  const std::string zero8(8, '\0');
  const std::pair<uint32_t, std::string> values[] = {
      {0, raw(uint8_t{1})},   {1, raw(int8_t{1})},   {2, raw(uint16_t{1})},
      {3, raw(int16_t{1})},   {4, raw(uint32_t{1})}, {5, raw(int32_t{1})},
      {6, raw(1.0f)},         {7, raw(uint8_t{1})},  {8, test::raw_string("1")},
      {10, raw(uint64_t{1})}, {11, raw(int64_t{1})}, {12, raw(1.0)},
  };
  const auto is_integer_type = [](uint32_t type) { return type <= 5 || type == 10 || type == 11; };
  const GgufWriter model = tiny_model();
  int n_tried = 0;
  for (const GgufWriter::Entry& own : model.entries) {
    if (own.key == "general.name") continue;  // for people: any type will do
    const bool is_array = own.type == 9;
    const bool own_is_strings = is_array && own.value.substr(0, 4) == raw(uint32_t{8});
    for (const auto& [type, value] : values) {
      for (const bool as_array : {false, true}) {
        bool right = false;
        if (is_array) {
          right = as_array && (own_is_strings ? type == 8 : is_integer_type(type));
        } else if (!as_array) {
          right = type == own.type || (is_integer_type(own.type) && is_integer_type(type)) ||
                  (own.type == 6 && type == 12) || (own.type == 7 && type <= 1);
        }
        if (right) continue;
        GgufWriter w = model;
        if (as_array) {
          w.set_raw(own.key, 9, raw(type) + raw(uint64_t{1}) + value);
        } else {
          w.set_raw(own.key, type, value);
        }
        expect_refused(w, HADAL_E_FORMAT, {own.key.c_str(), "wanted"});
        ++n_tried;
      }
    }
  }
  EXPECT_GT(n_tried, 800);
}

// Every number of the architecture at the ends of its range: an error or a checkpoint, never more.
TEST(GgufValueTypesTest, SurvivesEveryNumberAtItsEnds) {
  const GgufWriter model = tiny_model();
  for (const GgufWriter::Entry& own : model.entries) {
    if (own.type != 4) continue;
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{INT32_MAX},
                                 uint64_t{INT32_MAX} + 1, uint64_t{UINT32_MAX}, uint64_t{INT64_MAX},
                                 uint64_t{INT64_MAX} + 1, uint64_t{UINT64_MAX}}) {
      GgufWriter w = model;
      w.set_raw(own.key, 10, raw(value));
      const auto file = open_writer(w);
      if (!file->ok()) {
        const hadal_status code = code_of(file->result.status());
        EXPECT_TRUE(code == HADAL_E_FORMAT || code == HADAL_E_UNSUPPORTED) << own.key;
        continue;
      }
      EXPECT_LE(value, uint64_t{INT64_MAX}) << own.key;
      for (const char* name : {"num_hidden_layers", "qk_nope_head_dim", "vocab_size", "n_group"}) {
        const auto number = (*file)->integer(name);
        EXPECT_GE(number.ok() ? number->value_or(0) : 0, 0) << own.key << " " << name;
      }
      const auto vocabulary = (*file)->vocabulary();
      const hadal_status code = code_of(vocabulary.status());
      EXPECT_TRUE(code == HADAL_OK || code == HADAL_E_FORMAT) << own.key;
    }
  }
}

}  // namespace
}  // namespace hadal
