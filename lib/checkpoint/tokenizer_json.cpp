#include "lib/checkpoint/tokenizer_json.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "lib/base/json.hpp"
#include "lib/checkpoint/tokenizer_config.hpp"
#include "lib/text/pre_tokenizer.hpp"

namespace hadal {
namespace {

// Rows of the largest vocabulary that is believed: 4 Mi, the limit for arrays in GGUF files too. A
// vocabulary may have gaps, but not so that a short text becomes a long table.
constexpr int64_t kMostTokens = int64_t{4} << 20;
constexpr int64_t kMostGaps = int64_t{1} << 18;

constexpr absl::string_view kDamaged = "The file is damaged: download it again.";
constexpr absl::string_view kOtherKind =
    "hadal reads the byte-level BPE tokenizers of the DeepSeek-V3 family.";

// Reads one file; knows its name for messages.
class Reader {
 public:
  explicit Reader(absl::string_view source) : source_(source) {}

  absl::StatusOr<Vocabulary> read(const SortedJson& file, const SortedJson& config) {
    const SortedJson* model = find_value(file, "model");
    const std::string* type = model != nullptr ? find_string(*model, "type") : nullptr;
    if (type == nullptr || *type != "BPE") return unsupported("model.type: wanted 'BPE'");
    HADAL_RETURN_IF_ERROR(check_plain(file, *model));
    HADAL_RETURN_IF_ERROR(read_pre_tokenizer(file));
    most_tokens_ = std::min(
        kMostTokens, n_entries(*model, "vocab") + n_entries(file, "added_tokens") + kMostGaps);
    HADAL_RETURN_IF_ERROR(read_vocab(*model));
    HADAL_RETURN_IF_ERROR(read_added_tokens(file));
    HADAL_RETURN_IF_ERROR(read_merges(*model));
    out_.whole_pieces = says(*model, "ignore_merges", true, false);
    HADAL_RETURN_IF_ERROR(add_tokenizer_config(config, source_, out_));
    out_.source = std::string(source_);
    return std::move(out_);
  }

 private:
  absl::Status damaged(absl::string_view what) const {
    return fail(HADAL_E_FORMAT, absl::StrCat(source_, ": ", what), kDamaged);
  }
  absl::Status unsupported(absl::string_view what) const {
    return fail(HADAL_E_UNSUPPORTED, absl::StrCat(source_, ": ", what), kOtherKind);
  }

  // What the tokenizers of the family leave out and hadal does not do.
  absl::Status check_plain(const SortedJson& file, const SortedJson& model) const {
    if (const SortedJson* normalizer = find_value(file, "normalizer")) {
      const SortedJson* steps = find_value(*normalizer, "normalizers");
      if (steps == nullptr || !steps->is_array() || !steps->empty()) {
        return unsupported("normalizer: wanted none");
      }
    }
    if (!says(model, "byte_fallback", false, false)) {
      return unsupported("model.byte_fallback: wanted false");
    }
    for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
      const SortedJson* value = find_value(model, key);
      const std::string* text = value != nullptr ? value->get_ptr<const std::string*>() : nullptr;
      if (value != nullptr && (text == nullptr || !text->empty())) {
        return unsupported(absl::StrCat("model.", key, ": wanted none"));
      }
    }
    return absl::OkStatus();
  }

  // The regular expression that a step of the pre-tokenizer splits by, each match and each stretch
  // between matches being a piece.
  std::optional<std::string> pattern_of(const SortedJson& step) const {
    const std::string* type = find_string(step, "type");
    if (type == nullptr) return std::nullopt;
    if (*type == "Digits") {
      return says(step, "individual_digits", true, false) ? R"(\p{N})" : R"(\p{N}+)";
    }
    const SortedJson* pattern = find_value(step, "pattern");
    const std::string* behavior = find_string(step, "behavior");
    const std::string* regex = pattern != nullptr ? find_string(*pattern, "Regex") : nullptr;
    if (*type != "Split" || behavior == nullptr || *behavior != "Isolated" || regex == nullptr ||
        !says(step, "invert", false, false)) {
      return std::nullopt;
    }
    // Some files hold the line ends themselves in place of their escapes.
    return absl::StrReplaceAll(*regex, {{"\r", "\\r"}, {"\n", "\\n"}});
  }

  // DeepSeek-LLM's own file cuts digits one by one where its GGUF name stands for runs of them. Its
  // vocabulary has no token of several digits, so both give the same ids.
  static bool is_same_step(absl::string_view ours, absl::string_view theirs) {
    return ours == theirs || (ours == R"(\p{N}+)" && theirs == R"(\p{N})");
  }

  absl::Status read_pre_tokenizer(const SortedJson& file) {
    const SortedJson* pre = find_value(file, "pre_tokenizer");
    const SortedJson* steps = pre != nullptr ? find_value(*pre, "pretokenizers") : nullptr;
    if (steps == nullptr || !steps->is_array() || steps->empty()) {
      return unsupported("pre_tokenizer: wanted a sequence of splits and ByteLevel");
    }
    const SortedJson& last = steps->back();
    const std::string* type = find_string(last, "type");
    if (type == nullptr || *type != "ByteLevel" || !says(last, "add_prefix_space", false, true) ||
        !says(last, "use_regex", false, true)) {
      return unsupported("pre_tokenizer: wanted ByteLevel at its end, without rules of its own");
    }
    std::vector<std::string> patterns;
    for (size_t i = 0; i + 1 < steps->size(); ++i) {
      std::optional<std::string> pattern = pattern_of((*steps)[i]);
      if (!pattern) {
        return unsupported(absl::StrCat("pre_tokenizer: step ", i, ": wanted an isolating split"));
      }
      patterns.push_back(*std::move(pattern));
    }
    for (const PreTokenizer* one : pre_tokenizers()) {
      const auto same = [](const PreTokenizer::Step& ours, const std::string& theirs) {
        return is_same_step(ours.pattern, theirs);
      };
      if (std::equal(one->steps.begin(), one->steps.end(), patterns.begin(), patterns.end(),
                     same)) {
        out_.pre_tokenizer = one->name;
        return absl::OkStatus();
      }
    }
    return unsupported(absl::StrCat("pre_tokenizer: rules that hadal lacks: ",
                                    absl::StrJoin(patterns, "  ").substr(0, 300)));
  }

  static int64_t n_entries(const SortedJson& object, const char* key) {
    const SortedJson* value = find_value(object, key);
    return value != nullptr ? static_cast<int64_t>(value->size()) : 0;
  }

  // An id of a token; the vocabulary grows to hold it.
  absl::StatusOr<size_t> read_id(const SortedJson& value, absl::string_view text) {
    const auto* id = value.get_ptr<const SortedJson::number_integer_t*>();
    if (id == nullptr || *id < 0 || *id >= most_tokens_) {
      return damaged(absl::StrCat("token '", text.substr(0, 100), "': wanted an id from 0 to ",
                                  most_tokens_ - 1, ", found ", value.dump().substr(0, 100)));
    }
    const auto index = static_cast<size_t>(*id);
    if (index >= out_.tokens.size()) {
      out_.tokens.resize(index + 1, {"", TokenKind::kUnused});  // gaps have no meaning
    }
    return index;
  }

  absl::Status read_vocab(const SortedJson& model) {
    const SortedJson* vocab = find_value(model, "vocab");
    if (vocab == nullptr || !vocab->is_object()) return damaged("model.vocab: wanted an object");
    for (const auto& [text, value] : vocab->items()) {
      HADAL_ASSIGN_OR_RETURN(const size_t id, read_id(value, text));
      if (out_.tokens[id].kind != TokenKind::kUnused) {
        return damaged(absl::StrCat("model.vocab: id ", id, " is given twice"));
      }
      out_.tokens[id] = {text, TokenKind::kNormal};
    }
    return absl::OkStatus();
  }

  absl::Status read_added_tokens(const SortedJson& file) {
    const SortedJson* added = find_value(file, "added_tokens");
    if (added == nullptr) return absl::OkStatus();
    if (!added->is_array()) return damaged("added_tokens: wanted an array");
    for (const SortedJson& one : *added) {
      const std::string* text = find_string(one, "content");
      const SortedJson* number = find_value(one, "id");
      if (text == nullptr || number == nullptr) {
        return damaged("added_tokens: wanted objects with id and content");
      }
      HADAL_ASSIGN_OR_RETURN(const size_t id, read_id(*number, *text));
      for (const char* key : {"lstrip", "rstrip", "single_word"}) {
        if (!says(one, key, false, false)) {
          return unsupported(absl::StrCat("added token ", id, ": ", key, ": wanted false"));
        }
      }
      Vocabulary::Token& token = out_.tokens[id];
      if (token.kind != TokenKind::kUnused && token.text != *text) {
        return damaged(absl::StrCat("added_tokens: id ", id, " has another text in model.vocab"));
      }
      token = {*text, added_token_kind(one, *text)};
    }
    return absl::OkStatus();
  }

  // "left right", or since 2024 ["left", "right"].
  absl::Status read_merges(const SortedJson& model) {
    const SortedJson* merges = find_value(model, "merges");
    if (merges == nullptr || !merges->is_array()) return damaged("model.merges: wanted an array");
    out_.merges.reserve(merges->size());
    for (const SortedJson& merge : *merges) {
      if (const auto* text = merge.get_ptr<const std::string*>()) {
        out_.merges.push_back(*text);
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
                 merge[1].is_string()) {
        out_.merges.push_back(absl::StrCat(merge[0].get_ref<const std::string&>(), " ",
                                           merge[1].get_ref<const std::string&>()));
      } else {
        return damaged(absl::StrCat("model.merges: entry ", out_.merges.size(),
                                    ": wanted a text or a pair of texts"));
      }
    }
    return absl::OkStatus();
  }

  absl::string_view source_;
  int64_t most_tokens_ = 0;
  Vocabulary out_;
};

}  // namespace

absl::StatusOr<Vocabulary> read_tokenizer_json(absl::string_view tokenizer,
                                               absl::string_view tokenizer_config,
                                               absl::string_view source) {
  HADAL_ASSIGN_OR_RETURN(const JsonTree file, parse_tree(tokenizer, source));
  JsonTree config;
  if (!tokenizer_config.empty()) {
    HADAL_ASSIGN_OR_RETURN(
        config, parse_tree(tokenizer_config, absl::StrCat(source, ": its configuration")));
  }
  return Reader(source).read(*file, *config);
}

}  // namespace hadal
