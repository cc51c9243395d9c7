#include "lib/checkpoint/gguf_vocabulary.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

// The file's kinds: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
std::optional<TokenKind> token_kind(const GgufScalar& number) {
  int64_t kind = 0;
  if (const auto* value = std::get_if<int64_t>(&number)) kind = *value;
  if (const auto* value = std::get_if<uint64_t>(&number))
    kind = *value > 6 ? 0 : static_cast<int64_t>(*value);
  switch (kind) {
    case 1: return TokenKind::kNormal;
    case 2:
    case 3: return TokenKind::kControl;
    case 4: return TokenKind::kUserDefined;
    case 5: return TokenKind::kUnused;
    default:
      return std::nullopt;  // bytes as tokens belong to vocabularies without GPT-2's alphabet
  }
}

}  // namespace

absl::StatusOr<Vocabulary> read_gguf_vocabulary(const GgufMetadata& m, const std::string& path,
                                                std::optional<int64_t> vocab_size) {
  Vocabulary vocabulary;
  vocabulary.source = path;

  HADAL_ASSIGN_OR_RETURN(const std::optional<std::string> model, m.text("tokenizer.ggml.model"));
  HADAL_ASSIGN_OR_RETURN(const GgufArray* tokens, m.strings("tokenizer.ggml.tokens"));
  HADAL_ASSIGN_OR_RETURN(const GgufArray* kinds, m.integers("tokenizer.ggml.token_type"));
  HADAL_ASSIGN_OR_RETURN(const GgufArray* merges, m.strings("tokenizer.ggml.merges"));
  if (!model || tokens == nullptr || merges == nullptr) {
    return fail(HADAL_E_FORMAT,
                absl::StrCat(path,
                             ": wanted the keys tokenizer.ggml.model, .tokens and .merges, "
                             "found only some of them"),
                "The file has no whole vocabulary: convert the model again with its tokenizer.");
  }
  if (*model != "gpt2") {
    return m.unsupported("tokenizer.ggml.model", printable(*model),
                         "hadal runs the DeepSeek-V3 family; use a file of one of its models.");
  }

  const int64_t rows = vocab_size.value_or(static_cast<int64_t>(tokens->n_elements));
  const auto n_tokens = static_cast<int64_t>(tokens->n_elements);  // limited by the reader
  if (n_tokens < 1 || n_tokens > rows || n_tokens > std::numeric_limits<int32_t>::max()) {
    return m.unwanted("tokenizer.ggml.tokens", absl::StrCat("1 to ", rows, " tokens (vocab_size)"),
                      absl::StrCat(n_tokens));
  }
  if (kinds != nullptr && kinds->n_elements != tokens->n_elements) {
    return m.unwanted("tokenizer.ggml.token_type",
                      absl::StrCat(n_tokens, " elements, one per token"),
                      absl::StrCat(kinds->n_elements));
  }
  vocabulary.tokens.reserve(static_cast<size_t>(n_tokens));
  GgufElements texts(*tokens);
  std::optional<GgufElements> numbers;
  if (kinds != nullptr) numbers.emplace(*kinds);
  while (const auto text = texts.next_string()) {
    Vocabulary::Token& token = vocabulary.tokens.emplace_back();
    token.text = std::string(*text);
    if (!numbers) continue;
    const std::optional<GgufScalar> number = numbers->next_scalar();
    const std::optional<TokenKind> kind = number ? token_kind(*number) : std::nullopt;
    if (!kind) {
      return m.unwanted("tokenizer.ggml.token_type", "kinds 1 to 5",
                        absl::StrCat("another one for token ", vocabulary.tokens.size() - 1));
    }
    token.kind = *kind;
  }
  vocabulary.merges.reserve(static_cast<size_t>(merges->n_elements));
  GgufElements pairs(*merges);
  while (const auto pair = pairs.next_string()) vocabulary.merges.emplace_back(*pair);

  const auto token_id = [&](absl::string_view key) -> absl::StatusOr<std::optional<int32_t>> {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> id, m.integer(key));
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= n_tokens) {
      return m.unwanted(key, absl::StrCat("the id of one of ", n_tokens, " tokens"),
                        absl::StrCat(*id));
    }
    return static_cast<int32_t>(*id);
  };
  HADAL_ASSIGN_OR_RETURN(vocabulary.bos_id, token_id("tokenizer.ggml.bos_token_id"));
  for (const absl::string_view key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                      "tokenizer.ggml.eom_token_id"}) {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int32_t> id, token_id(key));
    std::vector<int32_t>& ids = vocabulary.eos_ids;
    if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  }
  HADAL_ASSIGN_OR_RETURN(const std::optional<bool> add_bos, m.flag("tokenizer.ggml.add_bos_token"));
  HADAL_ASSIGN_OR_RETURN(std::optional<std::string> pre, m.text("tokenizer.ggml.pre"));
  HADAL_ASSIGN_OR_RETURN(std::optional<std::string> chat, m.text("tokenizer.chat_template"));
  vocabulary.pre_tokenizer = std::move(pre).value_or("");
  // DeepSeek's own tokenizers begin every text with BOS; Kimi's templates do without.
  vocabulary.add_bos = add_bos.value_or(vocabulary.pre_tokenizer != "kimi-k2");
  vocabulary.chat_template = std::move(chat).value_or("");
  // These files are made of a tiktoken.model, whose tokens are found whole (tiktoken_model.cpp).
  vocabulary.whole_pieces = vocabulary.pre_tokenizer == "kimi-k2";
  return vocabulary;
}

}  // namespace hadal
