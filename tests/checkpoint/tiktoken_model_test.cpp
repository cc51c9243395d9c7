// Mirrors lib/checkpoint/tiktoken_model; golden ids and merges:
// golden/text/make_tiktoken_golden.py.
#include "lib/checkpoint/tiktoken_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/base/json.hpp"
#include "lib/text/tokenizer.hpp"
#include "tests/checkpoint/opening.hpp"
#include "tests/checkpoint/sweep.hpp"

namespace hadal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string golden(const char* name) {
  return test::read_test_file(std::string("golden/text/") + name);
}

std::string line(const std::string& bytes, int64_t rank) {
  return absl::StrCat(absl::Base64Escape(bytes), " ", rank, "\n");
}

// The bytes, 0 to 255, then the tokens given.
std::string model_of(const std::vector<std::string>& tokens) {
  std::string model;
  for (int byte = 0; byte < 256; ++byte)
    model += line(std::string(1, static_cast<char>(byte)), byte);
  int64_t rank = 256;
  for (const std::string& token : tokens) model += line(token, rank++);
  return model;
}

constexpr char kConfig[] = R"({"tokenizer_class": "TikTokenTokenizer", "bos_token": "[BOS]",
    "eos_token": {"content": "<|im_end|>"}, "pad_token": "[PAD]", "added_tokens_decoder": {
      "260": {"content": "[BOS]", "special": true}, "262": {"content": "<|im_end|>"},
      "263": {"content": "<think>", "special": false}}})";

const std::string& small() {
  static const std::string model = model_of({"ab", "cd", "abcd", "abcde"});
  return model;
}

absl::StatusOr<Vocabulary> read(const std::string& model, const std::string& config = kConfig,
                                std::optional<int64_t> vocab_size = std::nullopt) {
  return read_tiktoken_model(model, config, vocab_size, "dir/tiktoken.model");
}

void expect_refused(const std::string& model, const char* what,
                    const std::string& config = kConfig) {
  const auto vocabulary = read(model, config);
  ASSERT_EQ(code_of(vocabulary.status()), HADAL_E_FORMAT) << what;
  EXPECT_THAT(message_of(vocabulary.status()), HasSubstr("dir/tiktoken.model"));
  EXPECT_THAT(message_of(vocabulary.status()), HasSubstr(what));
  EXPECT_FALSE(hint_of(vocabulary.status()).empty());
}

TEST(TiktokenModelTest, TokensKindsAndMerges) {
  const auto vocabulary = read(small());
  ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
  ASSERT_EQ(vocabulary->tokens.size(), 260u + 256u);
  EXPECT_EQ(vocabulary->tokens[32].text, "Ġ");
  EXPECT_EQ(vocabulary->tokens[32].kind, TokenKind::kNormal);
  EXPECT_EQ(vocabulary->tokens[258].text, "abcd");
  EXPECT_EQ(vocabulary->tokens[260].text, "[BOS]");
  EXPECT_EQ(vocabulary->tokens[260].kind, TokenKind::kControl);
  EXPECT_EQ(vocabulary->tokens[261].text, "<|reserved_token_261|>");
  EXPECT_EQ(vocabulary->tokens[261].kind, TokenKind::kControl);
  EXPECT_EQ(vocabulary->tokens[262].kind, TokenKind::kControl);  // looks special
  EXPECT_EQ(vocabulary->tokens[263].kind, TokenKind::kUserDefined);
  EXPECT_THAT(vocabulary->merges, ElementsAre("a b", "c d", "ab cd", "abcd e"));
  EXPECT_EQ(vocabulary->bos_id, 260);
  EXPECT_THAT(vocabulary->eos_ids, ElementsAre(262));
  EXPECT_EQ(vocabulary->pad_id, std::nullopt);  // named, but no token
  EXPECT_FALSE(vocabulary->add_bos);
  EXPECT_EQ(vocabulary->pre_tokenizer, "kimi-k2");
  EXPECT_TRUE(vocabulary->whole_pieces);
}

// Moonlight's code counts 258 special tokens, its model has rows for 256.
TEST(TiktokenModelTest, RowsOfTheModelLimitSpecialTokens) {
  EXPECT_EQ(read(small(), kConfig, 1000)->tokens.size(), 260u + 258u);
  EXPECT_EQ(read(small(), kConfig, 300)->tokens.size(), 300u);
  const std::string beyond = absl::StrReplaceAll(kConfig, {{"\"263\"", "\"2630\""}});
  EXPECT_EQ(read(small(), beyond)->tokens.size(), 516u);  // an id that no code reads
  EXPECT_EQ(code_of(read(small(), kConfig, 259).status()), HADAL_E_FORMAT);
}

// A token whose bytes merge otherwise has no merge, and is found where it is a whole piece.
TEST(TiktokenModelTest, TokensThatMergesMiss) {
  auto vocabulary =
      read(model_of({"bc", "abcd", "xyz"}), absl::StrReplaceAll(kConfig, {{"260", "259"}}));
  ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
  EXPECT_THAT(vocabulary->merges, ElementsAre("b c"));
  const auto tokenizer = Tokenizer::create(*std::move(vocabulary));
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_THAT((*tokenizer)->encode("abcd", true), ElementsAre(257));
  EXPECT_THAT((*tokenizer)->encode("abcde", true), ElementsAre('a', 256, 'd', 'e'));
  EXPECT_THAT((*tokenizer)->encode("xyz", true), ElementsAre(258));
}

TEST(TiktokenModelTest, GoldenIdsAndMergesOfTiktoken) {
  auto vocabulary = read(golden("tiktoken.model"), golden("tiktoken-config.json"));
  ASSERT_TRUE(vocabulary.ok()) << message_of(vocabulary.status());
  const auto wanted = parse_json(golden("tiktoken-lines.json"), "tiktoken-lines.json");
  ASSERT_TRUE(wanted.ok());
  EXPECT_EQ(vocabulary->merges, (*wanted)["merges"].get<std::vector<std::string>>());
  const auto tokenizer = Tokenizer::create(*std::move(vocabulary));
  ASSERT_TRUE(tokenizer.ok()) << message_of(tokenizer.status());
  const Json &lines = (*wanted)["lines"], &ids = (*wanted)["ids"];
  ASSERT_GE(lines.size(), 400u);
  ASSERT_EQ(lines.size(), ids.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    SCOPED_TRACE(lines[i].dump());
    const auto text = lines[i].get<std::string>();
    const auto found = (*tokenizer)->encode(text, true);
    EXPECT_EQ(found, ids[i].get<std::vector<int32_t>>());
    EXPECT_EQ((*tokenizer)->decode(found, true), text);
  }
}

TEST(TiktokenModelTest, LinesMayEndInAnyWayAndStandInAnyOrder) {
  const auto plain = read(small());
  const auto other = read(absl::StrReplaceAll(small(), {{"\n", "\r\n"}}) + "\r\n\n");
  ASSERT_TRUE(other.ok()) << message_of(other.status());
  EXPECT_EQ(plain->merges, other->merges);
  EXPECT_TRUE(read(small().substr(0, small().size() - 1)).ok());
  std::string turned;
  for (size_t end = small().size(); end > 0;) {
    const size_t begin = end < 2 ? 0 : small().rfind('\n', end - 2) + 1;
    turned += small().substr(begin, end - begin);
    end = begin;
  }
  EXPECT_EQ(read(turned)->merges, plain->merges);
}

TEST(TiktokenModelTest, DamagedLinesAreNamed) {
  expect_refused(small() + "YWJj", "line 261: wanted a token in base64, a space and its rank");
  expect_refused(small() + " 260\n", "line 261: wanted a token in base64");
  expect_refused(small() + "Y*Jj 260\n", "line 261: wanted base64, found 'Y*Jj'");
  expect_refused(small() + "= 260\n", "line 261: wanted base64");
  expect_refused(small() + "YWJj -1\n", "line 261: wanted a rank below");
  expect_refused(small() + "YWJj 260 1\n", "line 261: wanted a rank below");
  expect_refused(small() + "YWJj 4294967297\n", "line 261: wanted a rank below");
  expect_refused(small() + "YWJj 4000000\n",
                 "line 261: rank 4000000: more than the file has lines");
  expect_refused(small() + line("xy", 259), "line 261: rank 259 is given twice");
  expect_refused(small() + line("xy", 261), "found none for 260");
  expect_refused(small() + line("ab", 260), "the ranks 256 and 260 are of the same token");
  expect_refused(absl::StrReplaceAll(small(), {{line("A", 65), line("AAA", 65)}}),
                 "no token for the byte 65");
  expect_refused("", "no token for the byte 0");
  expect_refused(small() + line(std::string(1025, 'a'), 260), "at most 1024 bytes");
  expect_refused(small() + std::string(1 << 20, 'A') + " 260\n", "at most 1024 bytes");
  std::string long_ones = small();
  for (int64_t i = 0; i < 600; ++i) {
    long_ones += line(absl::StrCat(std::string(1000, 'a'), i + 100000), 260 + i);
  }
  expect_refused(long_ones, "more long tokens than a vocabulary has");
  EXPECT_TRUE(read(small() + line(std::string(1024, 'a'), 260),
                   absl::StrReplaceAll(kConfig, {{"260", "270"}}))
                  .ok());
}

TEST(TiktokenModelTest, ConfigurationsThatDoNotFit) {
  expect_refused(small(), "wanted tokenizer_config.json beside it", "");
  expect_refused(small(), "wanted tokenizer_config.json beside it", "{}");
  expect_refused(small(), "wanted ids from 260 on, behind the ranks, found 25",
                 R"({"added_tokens_decoder": {"25": {"content": "x"}}})");
  expect_refused(small(), "wanted an id", R"({"added_tokens_decoder": {"x": {"content": "x"}}})");
  expect_refused(small(), "wanted an id", R"({"added_tokens_decoder": {"260": "x"}})");
  expect_refused(small(), "'x' is both 260 and 261",
                 R"({"added_tokens_decoder": {"260": {"content": "x"}, "261": {"content": "x"}}})");
  expect_refused(small(), "bos_token: no token '<s>'",
                 R"({"bos_token": "<s>", "added_tokens_decoder": {}})");
  EXPECT_EQ(code_of(read(small(), R"({"tokenizer_class": "QWenTokenizer"})").status()),
            HADAL_E_UNSUPPORTED);
  EXPECT_EQ(code_of(read(small(), R"({"added_tokens_decoder": {"260": {"content": "x",
                                      "lstrip": true}}})")
                        .status()),
            HADAL_E_UNSUPPORTED);
}

// Cut at every byte, with every bit turned: a vocabulary that makes a tokenizer, or a typed error
// with a hint.
TEST(TiktokenModelTest, CutsAndTurnedBitsNeverSurprise) {
  const auto outcome = [](const std::string& model) {
    const auto vocabulary = read(model);
    if (vocabulary.ok()) return uint64_t{1} + Tokenizer::create(*vocabulary).ok();
    const bool is_told =
        code_of(vocabulary.status()) == HADAL_E_FORMAT && !hint_of(vocabulary.status()).empty();
    return uint64_t{is_told ? 3u : 0u};
  };
  const size_t stride = test::sweeps_all() ? 1 : 7;
  size_t n_accepted = 0;
  const test::SweepResult cut = test::sweep(small().size(), 1, [&](uint64_t i) {
    return outcome(small().substr(0, static_cast<size_t>(i)));
  });
  const test::SweepResult turned = test::sweep(8 * small().size(), stride, [&](uint64_t i) {
    std::string model = small();
    model[i / 8] = static_cast<char>(model[i / 8] ^ (1 << (i % 8)));
    return outcome(model);
  });
  for (const auto* result : {&cut, &turned}) {
    EXPECT_TRUE(result->crashed.empty());
    for (size_t i = 0; i < result->outcomes.size(); i += result == &turned ? stride : 1) {
      EXPECT_NE(result->outcomes[i], 0u) << i;
      EXPECT_NE(result->outcomes[i], 1u) << i;
      n_accepted += result->outcomes[i] == 2;
    }
  }
  EXPECT_LT(n_accepted, cut.outcomes.size() / 2);
}

}  // namespace
}  // namespace hadal
