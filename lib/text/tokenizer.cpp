#include "lib/text/tokenizer.hpp"

#include <array>
#include <limits>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_join.h"
#include "lib/base/hash_map.hpp"
#include "lib/text/bpe.hpp"
#include "lib/text/byte_alphabet.hpp"
#include "lib/text/pre_tokenizer.hpp"
#include "lib/text/special_tokens.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kDamaged =
    "The file's vocabulary is damaged or of another kind: download the file again.";

// What ends an answer besides the ids that the file names. A user's turn never follows within a
// well-formed reply, so a model that begins one is done as well.
constexpr absl::string_view kEndsOfTurn[] = {"<｜end▁of▁sentence｜>", "<｜User｜>", "<|im_end|>",
                                             "<|EOT|>", "[EOS]"};

using SpellingMap = HashMap<absl::string_view, int32_t>;

}  // namespace

struct Tokenizer::Tables {
  const PreTokenizer* pre_tokenizer = nullptr;
  std::vector<Vocabulary::Token> tokens;  // text: the bytes
  std::vector<bool> ends_generation;
  std::array<int32_t, 256> byte_ids{};  // -1: no token
  bool lacks_bytes = false;
  Bpe bpe;
  SpecialTokens special;
  std::optional<int32_t> bos_id;
  bool add_bos = false;
  std::string chat_template;
};

namespace {

// Files that were filled up to the number of rows spell the padding like this, whatever kind they
// give it.
bool is_padding(absl::string_view text, size_t id) { return text == absl::StrCat("[PAD", id, "]"); }

// Normal tokens by spelling; of equal ones the first counts. The map refers to the tokens' texts.
SpellingMap map_spellings(const std::vector<Vocabulary::Token>& tokens) {
  SpellingMap map;
  map.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].kind != TokenKind::kNormal || tokens[id].text.empty()) continue;
    map.try_emplace(tokens[id].text, static_cast<int32_t>(id));
  }
  return map;
}

// Every byte of UTF-8 must have a token, so that every text can be encoded. The vocabularies of
// DeepSeek-V2 and its ancestors lack the others, the 13 bytes that UTF-8 never uses: -1.
absl::StatusOr<std::array<int32_t, 256>> map_bytes(absl::string_view source,
                                                   const SpellingMap& spellings) {
  std::array<int32_t, 256> ids{};
  for (size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string spelling = spelling_of_bytes(absl::string_view(&c, 1));
    const auto found = spellings.find(spelling);
    ids[byte] = found != spellings.end() ? found->second : -1;
    if (ids[byte] < 0 && byte != 0xC0 && byte != 0xC1 && byte < 0xF5) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(source, ": vocabulary: no token for the byte ", byte,
                               " (wanted one spelled '", spelling, "')"),
                  "hadal reads byte-level BPE vocabularies; this one is another kind or damaged.");
    }
  }
  return ids;
}

// Bytes without a token cannot be kept: each becomes U+FFFD.
std::string replace_lacking(absl::string_view text, const std::array<int32_t, 256>& byte_ids) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (byte_ids[static_cast<uint8_t>(c)] >= 0) {
      out.push_back(c);
    } else {
      out += "\uFFFD";
    }
  }
  return out;
}

absl::Status add_merges(absl::string_view source, const std::vector<std::string>& merges,
                        const SpellingMap& spellings, Bpe& bpe) {
  std::string merged;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const absl::string_view line = merges[rank];
    const size_t space = line.find(' ');
    const auto refuse = [&](absl::string_view why) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(source, ": merge ", rank, " ('", line.substr(0, 100), "'): ", why),
                  kDamaged);
    };
    if (space == absl::string_view::npos) return refuse("wanted two tokens parted by a space");
    merged.assign(line.substr(0, space).data(), space);
    merged.append(line.substr(space + 1).data(), line.size() - space - 1);
    const auto left = spellings.find(line.substr(0, space));
    const auto right = spellings.find(line.substr(space + 1));
    const auto whole = spellings.find(merged);
    if (left == spellings.end() || right == spellings.end() || whole == spellings.end()) {
      return refuse("speaks of a token that the vocabulary lacks");
    }
    bpe.add_merge(left->second, right->second, whole->second);
  }
  return absl::OkStatus();
}

absl::Status check_id(absl::string_view source, absl::string_view what, int32_t id, size_t n) {
  if (id >= 0 && static_cast<size_t>(id) < n) return absl::OkStatus();
  return fail(HADAL_E_FORMAT,
              absl::StrCat(source, ": ", what, ": wanted an id below ", n, " (tokens), found ", id),
              kDamaged);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Tokenizer>> Tokenizer::create(Vocabulary vocabulary) {
  const std::string source = vocabulary.source;
  const PreTokenizer* pre_tokenizer = find_pre_tokenizer(vocabulary.pre_tokenizer);
  if (pre_tokenizer == nullptr) {
    const auto name = [](std::string* out, const PreTokenizer* one) { out->append(one->name); };
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat(source, ": pre-tokenizer '", vocabulary.pre_tokenizer,
                             "': wanted one of ", absl::StrJoin(pre_tokenizers(), ", ", name)),
                "The model was trained with other rules for cutting text; hadal would misread it.");
  }
  const size_t n = vocabulary.tokens.size();
  if (n == 0 || n > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return fail(HADAL_E_FORMAT, absl::StrCat(source, ": vocabulary: found ", n, " tokens"),
                kDamaged);
  }
  if (vocabulary.bos_id) {
    HADAL_RETURN_IF_ERROR(check_id(source, "BOS token", *vocabulary.bos_id, n));
  }
  for (const int32_t id : vocabulary.eos_ids) {
    HADAL_RETURN_IF_ERROR(check_id(source, "EOS token", id, n));
  }

  std::vector<Vocabulary::Token> tokens = std::move(vocabulary.tokens);
  for (size_t id = 0; id < n; ++id) {
    if (is_padding(tokens[id].text, id)) tokens[id].kind = TokenKind::kUnused;
    if (tokens[id].kind == TokenKind::kUnused) tokens[id].text.clear();
  }
  SpellingMap spellings = map_spellings(tokens);
  HADAL_ASSIGN_OR_RETURN(const auto byte_ids, map_bytes(source, spellings));
  Bpe bpe(byte_ids, vocabulary.merges.size(), n);
  HADAL_RETURN_IF_ERROR(add_merges(source, vocabulary.merges, spellings, bpe));
  spellings.clear();  // before the texts that it refers to change

  SpecialTokens special;
  for (size_t id = 0; id < n; ++id) {
    Vocabulary::Token& token = tokens[id];
    if (token.kind == TokenKind::kNormal) {
      // A text outside the alphabet stands for itself; no merge leads there.
      if (auto bytes = bytes_of_spelling(token.text)) token.text = *std::move(bytes);
    } else if (token.text.size() > SpecialTokens::kLongest) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(source, ": special token ", id, ": wanted at most ",
                               SpecialTokens::kLongest, " bytes, found ", token.text.size()),
                  kDamaged);
    } else if (!token.text.empty()) {
      special.add(token.text, static_cast<int32_t>(id));
    }
  }

  auto tables = std::make_unique<Tables>(Tables{
      pre_tokenizer, std::move(tokens), std::vector<bool>(n), byte_ids,
      absl::c_linear_search(byte_ids, -1), std::move(bpe), std::move(special), vocabulary.bos_id,
      vocabulary.add_bos && vocabulary.bos_id, std::move(vocabulary.chat_template)});
  Bpe::Scratch scratch;
  for (size_t id = 0; id < n; ++id) {
    const Vocabulary::Token& token = tables->tokens[id];
    if (token.kind != TokenKind::kNormal) continue;
    if (vocabulary.whole_pieces) {
      tables->bpe.add_whole_token(token.text, static_cast<int32_t>(id));
    } else {
      tables->bpe.add_token(token.text, static_cast<int32_t>(id), scratch);
    }
  }
  for (const int32_t id : vocabulary.eos_ids) {
    tables->ends_generation[static_cast<size_t>(id)] = true;
  }
  for (const absl::string_view text : kEndsOfTurn) {
    if (const auto id = tables->special.exactly(text)) {
      tables->ends_generation[static_cast<size_t>(*id)] = true;
    }
  }
  return std::shared_ptr<const Tokenizer>(new Tokenizer(std::move(tables)));
}

Tokenizer::Tokenizer(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::encode(absl::string_view text, bool parse_special) const {
  std::vector<int32_t> ids;
  Bpe::Scratch scratch;
  std::string replaced;
  if (tables_->lacks_bytes) text = replaced = replace_lacking(text, tables_->byte_ids);
  const auto encode_plain = [&](absl::string_view plain) {
    split(*tables_->pre_tokenizer, plain,
          [&](absl::string_view piece) { tables_->bpe.encode(piece, scratch, ids); });
  };
  size_t at = 0;
  while (parse_special && at < text.size()) {
    const auto match = tables_->special.find(text, at);
    if (!match) break;
    encode_plain(text.substr(at, match->begin - at));
    ids.push_back(match->id);
    at = match->end;
  }
  encode_plain(text.substr(at));
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool with_special) const {
  std::string text;
  for (const int32_t id : ids) {
    if (with_special || kind(id) != TokenKind::kControl) {
      const absl::string_view one = bytes(id);
      text.append(one.data(), one.size());
    }
  }
  return text;
}

absl::string_view Tokenizer::bytes(int32_t id) const {
  HADAL_CHECK(id >= 0 && id < n_tokens());
  return tables_->tokens[static_cast<size_t>(id)].text;
}

int32_t Tokenizer::n_tokens() const { return static_cast<int32_t>(tables_->tokens.size()); }

TokenKind Tokenizer::kind(int32_t id) const {
  HADAL_CHECK(id >= 0 && id < n_tokens());
  return tables_->tokens[static_cast<size_t>(id)].kind;
}

bool Tokenizer::ends_generation(int32_t id) const {
  HADAL_CHECK(id >= 0 && id < n_tokens());
  return tables_->ends_generation[static_cast<size_t>(id)];
}

std::optional<int32_t> Tokenizer::find_special(absl::string_view text) const {
  return tables_->special.exactly(text);
}

std::optional<int32_t> Tokenizer::bos_id() const { return tables_->bos_id; }
bool Tokenizer::add_bos() const { return tables_->add_bos; }
const std::string& Tokenizer::chat_template() const { return tables_->chat_template; }

}  // namespace hadal
