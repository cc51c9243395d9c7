// Mirrors lib/convert/imatrix_file and imatrix_reader: files that other programs wrote, round
// trips, sums of several, and files that lie.
#include "lib/convert/imatrix_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>

#include "absl/strings/str_cat.h"

namespace hadal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kGguf = HADAL_TEST_DATA "/golden/imatrix/v3.gguf";
constexpr const char* kDat = HADAL_TEST_DATA "/golden/imatrix/v3.dat";

std::string bytes_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// A file in memory.
class OneFile : public File {
 public:
  explicit OneFile(std::string bytes)
      : File("made.imatrix", bytes.size()), bytes_(std::move(bytes)) {}
  absl::Status read_at(uint64_t at, std::span<std::byte> to) const override {
    if (at > bytes_.size() || to.size() > bytes_.size() - at) {
      return fail(HADAL_E_FORMAT, "read beyond the end", kNoHint);
    }
    if (!to.empty()) std::memcpy(to.data(), bytes_.data() + at, to.size());
    return absl::OkStatus();
  }
  absl::StatusOr<std::shared_ptr<const Mapping>> map() const override {
    return fail(HADAL_E_UNSUPPORTED, "not mapped", kNoHint);
  }

 private:
  std::string bytes_;
};

absl::StatusOr<Imatrix> read(const char* path) { return Imatrix::read(*system_files(), path); }
absl::StatusOr<Imatrix> parse(std::string bytes, const CheckpointOptions& limits = {}) {
  return Imatrix::parse(std::make_shared<OneFile>(std::move(bytes)), limits);
}

std::string written(const Imatrix& imatrix, bool as_dat) {
  std::string bytes;
  const Imatrix::Sink sink = [&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return absl::OkStatus();
  };
  EXPECT_TRUE((as_dat ? imatrix.write_dat(sink) : imatrix.write_gguf(sink)).ok());
  return bytes;
}

constexpr const char* kStack =
    "blk.1.ffn_down_exps.weight";  // of which experts 8, 11, 12 see nothing

TEST(ImatrixFile, ReadsWhatOthersWrote) {
  for (const char* path : {kGguf, kDat}) {
    const auto imatrix = read(path);
    ASSERT_TRUE(imatrix.ok()) << message_of(imatrix.status());
    EXPECT_EQ(imatrix->size(), 38u);
    EXPECT_THAT(imatrix->datasets, ElementsAre("prompt of 200 tokens"));
    EXPECT_EQ(imatrix->find("blk.0.attn_q_a.weight").size(), 64u);
    EXPECT_EQ(imatrix->find("blk.0.attn_k_b.weight").size(), 2u * 32u);
    const std::span<const float> stack = imatrix->find(kStack);
    ASSERT_EQ(stack.size(), 16u * 16u);
    for (size_t c = 0; c < 16; ++c) EXPECT_EQ(stack[8 * 16 + c], 1.0f) << "no token chose it";
    EXPECT_THAT(imatrix->find("blk.0.attn_q_a"), IsEmpty());
    EXPECT_THAT(imatrix->find("output.weight"), IsEmpty());
  }
  const auto a = read(kGguf), b = read(kDat);
  for (const char* name : {"blk.0.attn_q_a.weight", "blk.2.ffn_down_exps.weight", kStack}) {
    const std::span<const float> x = a->find(name), y = b->find(name);
    ASSERT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i] / y[i], 1.0, 1e-6) << name << " " << i;
  }
  EXPECT_EQ(a->most_rows(), 200u);
  EXPECT_EQ(a->chunk_size, 200u);
  const ImportanceSource source = a->source();
  EXPECT_EQ(source.file, kGguf);
  EXPECT_EQ(source.dataset, "prompt of 200 tokens");
  EXPECT_EQ(source.n_entries, 38);
  EXPECT_EQ(source.n_chunks, 1);
}

TEST(ImatrixFile, WhatIsWrittenIsRead) {
  Imatrix made;
  const double squares[] = {2, 4, 6, 0, 0, 0, 0.5, 0.25, 1e-3};
  const uint64_t counts[] = {2, 0, 1};
  ASSERT_TRUE(made.add("blk.3.ffn_up_exps.weight", 3, squares, counts).ok());
  const uint64_t all[] = {3};
  ASSERT_TRUE(made.add("blk.3.attn_q.weight", 9, squares, all).ok());
  made.add_dataset("tales");
  made.add_dataset("tales");
  made.chunk_size = 2;
  EXPECT_EQ(made.n_empty_slices(), 1);
  for (const bool as_dat : {false, true}) {
    const std::string bytes = written(made, as_dat);
    const auto back = parse(bytes);
    ASSERT_TRUE(back.ok()) << message_of(back.status());
    EXPECT_EQ(back->size(), 2u);
    EXPECT_THAT(back->datasets, ElementsAre("tales"));
    const std::span<const float> stack = back->find("blk.3.ffn_up_exps.weight");
    ASSERT_EQ(stack.size(), 9u);
    constexpr float kExpected[] = {1, 2, 3, 1, 1, 1, 0.5f, 0.25f, 1e-3f};
    for (size_t i = 0; i < 9; ++i) EXPECT_FLOAT_EQ(stack[i], kExpected[i]) << i;
    if (!as_dat) {
      EXPECT_EQ(written(*back, false), bytes);
    }
  }
}

TEST(ImatrixFile, TwoRunsAddUp) {
  Imatrix a, b;
  const double of_a[] = {2, 4, 6, 8}, of_b[] = {1, 1, 0, 0};
  const uint64_t counts_a[] = {2, 2}, counts_b[] = {1, 0};
  ASSERT_TRUE(a.add("x", 2, of_a, counts_a).ok());
  ASSERT_TRUE(b.add("x", 2, of_b, counts_b).ok());
  ASSERT_TRUE(b.add("y", 2, of_b, counts_b).ok());
  ASSERT_TRUE(a.merge(b).ok());
  EXPECT_EQ(a.size(), 2u);
  EXPECT_THAT(a.find("x"), ElementsAre(1.0f, 5.0f / 3.0f, 3.0f, 4.0f));
  EXPECT_THAT(a.find("y"), ElementsAre(1.0f, 1.0f, 1.0f, 1.0f));

  auto gguf = read(kGguf);
  const auto before = std::vector<float>(gguf->find(kStack).begin(), gguf->find(kStack).end());
  ASSERT_TRUE(gguf->merge(*read(kGguf)).ok());
  EXPECT_EQ(gguf->most_rows(), 400u);
  const std::span<const float> after = gguf->find(kStack);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_FLOAT_EQ(after[i], before[i]);
  auto dat = read(kDat);
  ASSERT_TRUE(dat->merge(*gguf).ok()) << "one that does not know its slices";

  const double other[] = {1, 2, 3};
  const uint64_t one[] = {1};
  const absl::Status status = a.add("x", 3, other, one);
  EXPECT_EQ(code_of(status), HADAL_E_FORMAT);
  EXPECT_THAT(message_of(status), HasSubstr("x has 4 columns"));
}

// ---- Files that are none
// --------------------------------------------------------------------------

// Whatever the outcome, a matrix that is read is one that can be used.
bool is_sound(const absl::StatusOr<Imatrix>& imatrix) {
  if (!imatrix.ok()) return false;
  for (const char* name : {"blk.0.attn_q_a.weight", "blk.1.attn_k_b.weight", kStack}) {
    for (const float x : imatrix->find(name)) EXPECT_TRUE(std::isfinite(x) && x >= 0.0f);
  }
  return true;
}

TEST(ImatrixFile, FilesThatAreCutOffAreRefused) {
  const std::string gguf = bytes_of(kGguf), dat = bytes_of(kDat);
  ASSERT_GT(gguf.size(), 30000u);
  const size_t trailer = 4 + 4 + std::strlen("prompt of 200 tokens");
  for (size_t n = 0; n < dat.size(); n += n < 3000 ? 1 : 37) {
    EXPECT_FALSE(is_sound(parse(dat.substr(0, n)))) << "of .dat " << n;
  }
  for (size_t n = dat.size() - trailer; n < dat.size(); ++n) {
    // The text's name was not always there.
    EXPECT_EQ(is_sound(parse(dat.substr(0, n))), n == dat.size() - trailer) << n;
  }
  EXPECT_FALSE(parse(dat + '\0').ok());
  for (size_t n = 0; n + 32 < gguf.size(); n += n < 6000 ? 3 : 97) {
    EXPECT_FALSE(is_sound(parse(gguf.substr(0, n)))) << "of GGUF " << n;
  }
}

TEST(ImatrixFile, NoTurnedBitDoesHarm) {
  std::mt19937 random(7);
  for (const char* path : {kGguf, kDat}) {
    const std::string bytes = bytes_of(path);
    for (int i = 0; i < 3000; ++i) {
      std::string turned = bytes;
      // Half of them among the first numbers and names.
      const size_t at = random() % (i % 2 == 0 ? 4000 : turned.size());
      turned[at] = static_cast<char>(turned[at] ^ (1 << random() % 8));
      is_sound(parse(std::move(turned)));
    }
  }
}

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string dat_entry(const std::string& name, int32_t calls, int32_t n,
                      std::vector<float> values) {
  std::string bytes = raw(static_cast<int32_t>(name.size())) + name + raw(calls) + raw(n);
  for (const float x : values) bytes += raw(x);
  return bytes;
}

void refused(const std::string& bytes, hadal_status code, const char* text,
             const CheckpointOptions& limits = {}) {
  const auto imatrix = parse(bytes, limits);
  EXPECT_EQ(code_of(imatrix.status()), code) << message_of(imatrix.status());
  EXPECT_THAT(message_of(imatrix.status()), HasSubstr(text));
  EXPECT_FALSE(hint_of(imatrix.status()).empty());
}

TEST(ImatrixFile, DatFilesThatLie) {
  const std::string good = dat_entry("blk.0.x", 2, 2, {2, 4});
  const auto imatrix = parse(raw(int32_t{1}) + good);
  ASSERT_TRUE(imatrix.ok()) << message_of(imatrix.status());
  EXPECT_THAT(imatrix->find("blk.0.x"), ElementsAre(1.0f, 2.0f));

  refused("", HADAL_E_FORMAT, "too short");
  refused(raw(int32_t{0}) + good, HADAL_E_FORMAT, "0 entries");
  refused(raw(int32_t{-1}) + good, HADAL_E_FORMAT, "-1 entries");
  refused(raw(INT32_MAX) + good, HADAL_E_FORMAT, "entries");
  refused(raw(int32_t{2}) + good + good, HADAL_E_FORMAT, "comes twice");
  refused(raw(int32_t{1}) + dat_entry("x", 1, INT32_MAX, {1}), HADAL_E_FORMAT, "values");
  refused(raw(int32_t{1}) + dat_entry("x", 1, -1, {1}), HADAL_E_FORMAT, "values");
  refused(raw(int32_t{1}) + dat_entry("x", 1, 0, {1}), HADAL_E_FORMAT, "values");
  refused(raw(int32_t{1}) + dat_entry("x", -1, 1, {1}), HADAL_E_FORMAT, "calls");
  refused(raw(int32_t{1}) + dat_entry("", 1, 1, {1}), HADAL_E_FORMAT, "entry \"\"");
  refused(raw(int32_t{1}) + raw(INT32_MAX) + std::string(100, 'x'), HADAL_E_FORMAT, "left");
  refused(raw(int32_t{1}) + raw(int32_t{-5}) + std::string(100, 'x'), HADAL_E_FORMAT, "-5 bytes");
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {-1.0f, kInfinity, std::nanf("")}) {
    refused(raw(int32_t{1}) + dat_entry("x", 1, 1, {bad}), HADAL_E_FORMAT,
            "negative or not finite");
  }
  refused(raw(int32_t{1}) + dat_entry("x", 1, 1, {1}) + raw(int32_t{1}) + raw(int32_t{99}),
          HADAL_E_FORMAT, "99 bytes");
  refused(raw(int32_t{1}) + good, HADAL_E_LIMIT, "a name of 7 bytes", {.limit_string_bytes = 6});
  refused(raw(int32_t{2}) + good + dat_entry("y", 1, 1, {1}), HADAL_E_LIMIT, "2 entries",
          {.limit_tensors = 1});
}

std::string with_bytes(std::string in, const std::string& from, const std::string& to) {
  const size_t at = in.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return in.replace(at, from.size(), to);
}

TEST(ImatrixFile, GgufFilesThatLie) {
  Imatrix made;
  const double squares[] = {2, 4, 6, 8};
  const uint64_t counts[] = {2, 2};
  ASSERT_TRUE(made.add("blk.0.x", 2, squares, counts).ok());
  const std::string good = written(made, false);
  ASSERT_TRUE(parse(good).ok());
  refused(with_bytes(good, ".counts", ".countz"), HADAL_E_FORMAT, "no counts");
  refused(with_bytes(with_bytes(good, ".counts", ".countz"), ".in_sum2", ".in_sumz"),
          HADAL_E_FORMAT, "no entries");
  const size_t data = good.size() - 64;  // 4 sums and 2 counts, in 32 bytes each
  for (const float bad : {-1.0f, std::nanf("")}) {
    for (const size_t at : {data, data + 32}) {
      std::string bytes = good;
      bytes.replace(at, 4, raw(bad));
      refused(bytes, HADAL_E_FORMAT, "negative or not finite");
    }
  }
  std::string tiny = good;
  tiny.replace(data + 32, 4, raw(1e-45f));
  tiny.replace(data, 4, raw(1e30f));
  refused(tiny, HADAL_E_FORMAT, "next to nothing");
  const auto empty = parse(std::string(good).replace(data + 32, 4, raw(0.0f)));
  ASSERT_TRUE(empty.ok());
  EXPECT_THAT(empty->find("blk.0.x"), ElementsAre(1.0f, 1.0f, 3.0f, 4.0f));

  const auto model = read(HADAL_TEST_DATA "/golden/toys/v3/v3-f32.gguf");
  EXPECT_EQ(code_of(model.status()), HADAL_E_UNSUPPORTED);
  EXPECT_THAT(message_of(model.status()), HasSubstr("no importance matrix"));
  EXPECT_EQ(code_of(read("no/such/file").status()), HADAL_E_NOT_FOUND);
}

}  // namespace
}  // namespace hadal
