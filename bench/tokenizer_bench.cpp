// Encoding and decoding with the vocabulary of the story model, in bytes of text a second. Texts of
// 1 MiB: English prose, code, Chinese, and a mixture of scripts; each must survive the round trip
// before it is timed.
#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "lib/checkpoint/tokenizer_json.hpp"
#include "lib/text/tokenizer.hpp"

namespace hadal {
namespace {

using TokenizerPtr = std::shared_ptr<const Tokenizer>;

constexpr size_t kTextBytes = size_t{1} << 20;

absl::StatusOr<Vocabulary> story_vocabulary() {
  std::string path = __FILE__;
  path.resize(path.rfind("bench/"));
  path += "tests/golden/text/story-tokenizer.json";
  std::ifstream file(path, std::ios::binary);
  return read_tokenizer_json(std::string(std::istreambuf_iterator<char>(file), {}), "", path);
}

// Words as they come in a row, some rare, so that not every one is a token.
std::string text_of_words(std::span<const char* const> words, absl::string_view between) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < kTextBytes) {
    // The smaller of two draws: some words are much more common than others.
    const size_t a = random() % words.size(), b = random() % words.size();
    text += words[std::min(a, b)];
    if (random() % 12 == 0) {
      text += random() % 3 == 0 ? ".\n" : ", ";
    } else {
      text.append(between.data(), between.size());
    }
  }
  return text;
}

constexpr const char* kEnglish[] = {
    "the",   "of",      "and",      "to",         "in",        "was",         "that",
    "it",    "with",    "as",       "his",        "had",       "for",         "The",
    "fox",   "lived",   "there",    "river",      "asked",     "don't",       "because",
    "I'll",  "harbour", "together", "remembered", "Wednesday", "twenty-five", "1234",
    "quiet", "whether", "Molly's",  "lighthouse", "extremely", "manuscript",  "incomprehensible"};
constexpr const char* kCode[] = {"int",
                                 "i",
                                 "=",
                                 "0;",
                                 "return",
                                 "if (x == nullptr) {",
                                 "}\n",
                                 "    ",
                                 "std::vector<int32_t>",
                                 "// comment",
                                 "for (size_t i = 0; i < n; ++i)",
                                 "0x1F",
                                 "foo_bar(a);",
                                 "\"string\"",
                                 "&&",
                                 "-> auto",
                                 "kMaxValue",
                                 "template <class T>",
                                 "\t\t",
                                 "#include <string>",
                                 "3.14159f"};
constexpr const char* kChinese[] = {"的",       "是",       "我们",     "世界", "你好",
                                    "一个",     "因为",     "故事",     "老师", "时间",
                                    "人工智能", "语言模型", "「引号」", "。"};
constexpr const char* kMixed[] = {
    "the",     "Привет", "мир",   "你好世界", "こんにちは", "안녕하세요",
    "مرحبا",   "नमस्ते",   "שלום",  "สวัสดี",     "🚀",          "👩‍👩‍👧‍👦",
    "naïve",   "Ελλάδα", "12345", "«»",       "\t",         "→ ∑",
    "e\u0301", "\u200B"};

void run(benchmark::State& state, const std::string& text, bool decode) {
  const absl::StatusOr<Vocabulary> vocabulary = story_vocabulary();
  if (!vocabulary.ok()) return state.SkipWithError(message_of(vocabulary.status()).c_str());
  const absl::StatusOr<TokenizerPtr> tokenizer = Tokenizer::create(*vocabulary);
  if (!tokenizer.ok()) return state.SkipWithError(message_of(tokenizer.status()).c_str());
  const std::vector<int32_t> ids = (*tokenizer)->encode(text, true);
  if ((*tokenizer)->decode(ids, true) != text) return state.SkipWithError("round trip failed");

  for (auto _ : state) {
    if (decode) {
      benchmark::DoNotOptimize((*tokenizer)->decode(ids, true));
    } else {
      benchmark::DoNotOptimize((*tokenizer)->encode(text, true));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.counters["bytes_per_token"] =
      static_cast<double>(text.size()) / static_cast<double>(ids.size());
}

void encode_english(benchmark::State& state) { run(state, text_of_words(kEnglish, " "), false); }
void encode_code(benchmark::State& state) { run(state, text_of_words(kCode, " "), false); }
void encode_chinese(benchmark::State& state) { run(state, text_of_words(kChinese, ""), false); }
void encode_mixed(benchmark::State& state) { run(state, text_of_words(kMixed, " "), false); }
void encode_one_piece(benchmark::State& state) { run(state, std::string(kTextBytes, 'a'), false); }
void decode_english(benchmark::State& state) { run(state, text_of_words(kEnglish, " "), true); }
void decode_mixed(benchmark::State& state) { run(state, text_of_words(kMixed, " "), true); }

BENCHMARK(encode_english);
BENCHMARK(encode_code);
BENCHMARK(encode_chinese);
BENCHMARK(encode_mixed);
BENCHMARK(encode_one_piece);
BENCHMARK(decode_english);
BENCHMARK(decode_mixed);

// What a model's load pays for it: the tables of the vocabulary.
void create(benchmark::State& state) {
  const absl::StatusOr<Vocabulary> vocabulary = story_vocabulary();
  if (!vocabulary.ok()) return state.SkipWithError(message_of(vocabulary.status()).c_str());
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::create(*vocabulary));
}
BENCHMARK(create)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace hadal

BENCHMARK_MAIN();
