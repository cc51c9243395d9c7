// tiktoken merges whichever neighbours make the token of the lowest rank; a vocabulary has merges,
// pairs by rank. They are rebuilt as the converters to GGUF do it: one for each token, of the two
// tokens that its own bytes have become when all tokens of lower ranks are merged. That is enough:
// where a pair merges in a text, nothing has merged across its ends, so what is between them has
// become what it becomes alone. A GGUF file then has the same merges whoever wrote it. What they
// cannot say, that a piece which is a token is that token, `whole_pieces` says.
#include "lib/checkpoint/tiktoken_model.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "lib/base/hash_map.hpp"
#include "lib/base/json.hpp"
#include "lib/checkpoint/tokenizer_config.hpp"
#include "lib/text/byte_alphabet.hpp"

namespace hadal {
namespace {

constexpr size_t kMostTokens = size_t{4} << 20;  // as in tokenizer.json and GGUF files
// The longest tokens are runs of blanks, of a few hundred. Rebuilding merges takes the square.
constexpr size_t kLongestToken = 1024;
constexpr size_t kMostSquares = size_t{1} << 29;  // of all lengths; 160,000 of 8 bytes: 2^23
constexpr int64_t kReserved = 256;                // special tokens behind the ranks, named or not
constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

constexpr absl::string_view kDamaged = "The file is damaged: download it again.";
constexpr absl::string_view kOtherKind =
    "hadal reads the tiktoken.model of Kimi-K2 and Moonlight, whose tokenizer_config.json has the "
    "tokenizer_class TikTokenTokenizer.";

class Reader {
 public:
  explicit Reader(absl::string_view source) : source_(source) {}

  absl::StatusOr<Vocabulary> read(absl::string_view model, const SortedJson& config,
                                  std::optional<int64_t> vocab_size) {
    HADAL_RETURN_IF_ERROR(read_ranks(model));
    if (vocab_size && *vocab_size < static_cast<int64_t>(tokens_.size())) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(source_, ": wanted at most ", *vocab_size,
                               " tokens (vocab_size in config.json), found ", tokens_.size()),
                  "Configuration and tokenizer are of different models: download both again.");
    }
    HADAL_RETURN_IF_ERROR(read_special_tokens(config, vocab_size));
    rebuild_merges();
    // The rules for cutting text stand in Python code beside the file; there is one such code.
    out_.pre_tokenizer = "kimi-k2";
    out_.whole_pieces = true;
    out_.source = std::string(source_);
    HADAL_RETURN_IF_ERROR(
        add_tokenizer_config(config, absl::StrCat(source_, ": its configuration"), out_));
    return std::move(out_);
  }

 private:
  absl::Status damaged(absl::string_view what) const {
    return fail(HADAL_E_FORMAT, absl::StrCat(source_, ": ", what), kDamaged);
  }
  absl::Status unsupported(absl::string_view what) const {
    return fail(HADAL_E_UNSUPPORTED, absl::StrCat(source_, ": its configuration: ", what),
                kOtherKind);
  }

  struct Line {
    std::string bytes;
    uint32_t rank = 0;
  };

  absl::StatusOr<Line> read_line(absl::string_view text, size_t number) const {
    const auto bad = [&](absl::string_view what) {
      return damaged(absl::StrCat("line ", number, ": ", what));
    };
    const size_t space = text.find(' ');
    if (space == absl::string_view::npos || space == 0) {
      return bad("wanted a token in base64, a space and its rank");
    }
    if (space > 4 * (kLongestToken / 3 + 1)) {
      return bad(absl::StrCat("wanted a token of at most ", kLongestToken, " bytes, found ", space,
                              " characters of base64"));
    }
    Line line;
    if (!absl::Base64Unescape(text.substr(0, space), &line.bytes) || line.bytes.empty()) {
      return bad(absl::StrCat("wanted base64, found '",
                              absl::CHexEscape(text.substr(0, std::min<size_t>(space, 60))), "'"));
    }
    if (line.bytes.size() > kLongestToken) {
      return bad(absl::StrCat("wanted a token of at most ", kLongestToken, " bytes, found ",
                              line.bytes.size()));
    }
    if (!absl::SimpleAtoi(text.substr(space + 1), &line.rank) || line.rank >= kMostTokens) {
      return bad(absl::StrCat("wanted a rank below ", kMostTokens, ", found '",
                              absl::CHexEscape(text.substr(space + 1, 40)), "'"));
    }
    return line;
  }

  // The ranks of a file are 0, 1, 2 ...: each once, none left out.
  absl::Status read_ranks(absl::string_view model) {
    // No line is shorter than "AA== 0" and its end, so a short file does not make a long table.
    const size_t most = model.size() / 6 + 1;
    size_t number = 0, n_found = 0, squares = 0;
    while (!model.empty()) {
      const size_t end = std::min(model.find('\n'), model.size());
      absl::string_view text = model.substr(0, end);
      model.remove_prefix(std::min(end + 1, model.size()));
      ++number;
      absl::ConsumeSuffix(&text, "\r");
      if (text.empty()) continue;
      HADAL_ASSIGN_OR_RETURN(Line line, read_line(text, number));
      if (line.rank >= most) {
        return damaged(
            absl::StrCat("line ", number, ": rank ", line.rank, ": more than the file has lines"));
      }
      if (line.rank >= tokens_.size()) tokens_.resize(size_t{line.rank} + 1);
      if (!tokens_[line.rank].empty()) {
        return damaged(absl::StrCat("line ", number, ": rank ", line.rank, " is given twice"));
      }
      squares += line.bytes.size() * line.bytes.size();
      if (squares > kMostSquares) {
        return damaged(absl::StrCat("line ", number, ": more long tokens than a vocabulary has"));
      }
      tokens_[line.rank] = std::move(line.bytes);
      ++n_found;
    }
    if (n_found != tokens_.size()) {
      const auto gap = std::find(tokens_.begin(), tokens_.end(), "");
      return damaged(absl::StrCat("wanted a token for each rank below ", tokens_.size(),
                                  ", found none for ", gap - tokens_.begin()));
    }
    ranks_.reserve(tokens_.size());
    for (size_t rank = 0; rank < tokens_.size(); ++rank) {
      const auto [other, is_new] = ranks_.try_emplace(tokens_[rank], static_cast<uint32_t>(rank));
      if (!is_new) {
        return damaged(
            absl::StrCat("the ranks ", other->second, " and ", rank, " are of the same token"));
      }
    }
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      if (!ranks_.contains(absl::string_view(&c, 1))) {
        return damaged(absl::StrCat("no token for the byte ", byte));
      }
    }
    return absl::OkStatus();
  }

  // Every id behind the ranks has a token, as the code that comes with the file has it: the one
  // that the configuration names, or one called reserved. (Moonlight's code counts two more than
  // the model has rows for.)
  absl::Status read_special_tokens(const SortedJson& config, std::optional<int64_t> vocab_size) {
    const std::string* type = find_string(config, "tokenizer_class");
    if (type != nullptr && *type != "TikTokenTokenizer") {
      return unsupported(
          absl::StrCat("tokenizer_class: wanted TikTokenTokenizer, found ", type->substr(0, 100)));
    }
    const SortedJson* added = find_value(config, "added_tokens_decoder");
    if (added == nullptr || !added->is_object()) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(source_,
                               ": wanted tokenizer_config.json beside it, with the special tokens "
                               "in added_tokens_decoder, found none"),
                  "Download tokenizer_config.json of this model into the same directory.");
    }
    const auto n_ranks = static_cast<int64_t>(tokens_.size());
    const int64_t n_ids =
        std::min(n_ranks + kReserved + 2, vocab_size.value_or(n_ranks + kReserved));
    out_.tokens.resize(static_cast<size_t>(n_ids));
    for (int64_t id = 0; id < n_ranks; ++id) {
      out_.tokens[static_cast<size_t>(id)].text =
          spelling_of_bytes(tokens_[static_cast<size_t>(id)]);
    }
    for (int64_t id = n_ranks; id < n_ids; ++id) {
      out_.tokens[static_cast<size_t>(id)] = {absl::StrCat("<|reserved_token_", id, "|>"),
                                              TokenKind::kControl};
    }
    HashMap<std::string, int64_t> named;
    for (const auto& [key, one] : added->items()) {
      int64_t id = -1;
      const std::string* text = find_string(one, "content");
      if (!absl::SimpleAtoi(key, &id) || text == nullptr || text->empty()) {
        return damaged(absl::StrCat("its configuration: added_tokens_decoder: '",
                                    absl::CHexEscape(key.substr(0, 60)),
                                    "': wanted an id and an object with its content"));
      }
      if (id < n_ranks) {
        return damaged(absl::StrCat("its configuration: added_tokens_decoder: wanted ids from ",
                                    n_ranks, " on, behind the ranks, found ", id));
      }
      for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
        if (!says(one, flag, false, false)) {
          return unsupported(absl::StrCat("added token ", id, ": ", flag, ": wanted false"));
        }
      }
      if (id >= n_ids) continue;  // the code that comes with the file does not see it either
      const auto [other, is_new] = named.try_emplace(*text, id);
      if (!is_new) {
        return damaged(absl::StrCat("its configuration: added_tokens_decoder: '",
                                    text->substr(0, 60), "' is both ", other->second, " and ", id));
      }
      out_.tokens[static_cast<size_t>(id)] = {*text, added_token_kind(one, *text)};
    }
    return absl::OkStatus();
  }

  // Where the two tokens meet that a token is merged from; 0 if its bytes become more than two.
  size_t parting(absl::string_view token, uint32_t rank) {
    starts_.resize(token.size() + 1);
    for (size_t i = 0; i < starts_.size(); ++i) starts_[i] = i;
    const auto rank_at = [&](size_t i) {  // of the pair (i, i + 1)
      if (i + 2 >= starts_.size()) return kNone;
      const auto found = ranks_.find(token.substr(starts_[i], starts_[i + 2] - starts_[i]));
      return found != ranks_.end() && found->second < rank ? found->second : kNone;
    };
    pairs_.resize(token.size());
    for (size_t i = 0; i < pairs_.size(); ++i) pairs_[i] = rank_at(i);
    for (;;) {
      const auto best = std::min_element(pairs_.begin(), pairs_.end());  // leftmost of the lowest
      if (*best == kNone) break;
      const auto at = best - pairs_.begin();
      starts_.erase(starts_.begin() + at + 1);
      pairs_.erase(best + 1);
      pairs_[static_cast<size_t>(at)] = rank_at(static_cast<size_t>(at));
      if (at > 0) pairs_[static_cast<size_t>(at) - 1] = rank_at(static_cast<size_t>(at) - 1);
    }
    return starts_.size() == 3 ? starts_[1] : 0;
  }

  void rebuild_merges() {
    for (size_t rank = 0; rank < tokens_.size(); ++rank) {
      const absl::string_view token = tokens_[rank];
      if (token.size() < 2) continue;
      const size_t at = parting(token, static_cast<uint32_t>(rank));
      if (at == 0) continue;  // only ever found whole
      out_.merges.push_back(absl::StrCat(spelling_of_bytes(token.substr(0, at)), " ",
                                         spelling_of_bytes(token.substr(at))));
    }
  }

  const absl::string_view source_;
  std::vector<std::string> tokens_;  // bytes, by rank
  HashMap<absl::string_view, uint32_t> ranks_;
  std::vector<size_t> starts_;   // of the parts of a token, and its end
  std::vector<uint32_t> pairs_;  // what two parts would become
  Vocabulary out_;
};

}  // namespace

absl::StatusOr<Vocabulary> read_tiktoken_model(absl::string_view model,
                                               absl::string_view tokenizer_config,
                                               std::optional<int64_t> vocab_size,
                                               absl::string_view source) {
  JsonTree config;
  if (!tokenizer_config.empty()) {
    HADAL_ASSIGN_OR_RETURN(
        config, parse_tree(tokenizer_config, absl::StrCat(source, ": its configuration")));
  }
  return Reader(source).read(model, *config, vocab_size);
}

}  // namespace hadal
