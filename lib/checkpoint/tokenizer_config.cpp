#include "lib/checkpoint/tokenizer_config.hpp"

#include <cstdint>
#include <optional>

#include "absl/strings/match.h"

namespace hadal {
namespace {

absl::Status damaged(absl::string_view source, absl::string_view what) {
  return fail(HADAL_E_FORMAT, absl::StrCat(source, ": ", what),
              "The file is damaged: download it again.");
}

// A token that the configuration names, as its text or as an object with its content.
absl::StatusOr<std::optional<int32_t>> named_token(const SortedJson& config, const char* key,
                                                   absl::string_view source,
                                                   const Vocabulary& vocabulary) {
  const SortedJson* value = find_value(config, key);
  if (value == nullptr) return std::optional<int32_t>();
  const auto* text = value->get_ptr<const std::string*>();
  if (text == nullptr) text = find_string(*value, "content");
  if (text == nullptr) return damaged(source, absl::StrCat(key, ": wanted a token's text"));
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Vocabulary::Token& token = vocabulary.tokens[id];
    if (token.kind != TokenKind::kUnused && token.text == *text) {
      return std::optional(static_cast<int32_t>(id));
    }
  }
  return damaged(source, absl::StrCat(key, ": no token '", text->substr(0, 100), "'"));
}

}  // namespace

TokenKind added_token_kind(const SortedJson& one, absl::string_view text) {
  const bool is_special = says(one, "special", true, false) ||
                          (absl::StartsWith(text, "<|") && absl::EndsWith(text, "|>")) ||
                          (absl::StartsWith(text, "<｜") && absl::EndsWith(text, "｜>"));
  return is_special ? TokenKind::kControl : TokenKind::kUserDefined;
}

absl::Status add_tokenizer_config(const SortedJson& config, absl::string_view source,
                                  Vocabulary& vocabulary) {
  HADAL_ASSIGN_OR_RETURN(vocabulary.bos_id, named_token(config, "bos_token", source, vocabulary));
  HADAL_ASSIGN_OR_RETURN(const auto eos_id, named_token(config, "eos_token", source, vocabulary));
  if (eos_id) vocabulary.eos_ids.push_back(*eos_id);
  const auto pad_id = named_token(config, "pad_token", source, vocabulary);
  if (pad_id.ok()) vocabulary.pad_id = *pad_id;  // not worth a failure
  vocabulary.add_bos = says(config, "add_bos_token", true, false);

  const SortedJson* chat_template = find_value(config, "chat_template");
  if (chat_template == nullptr) return absl::OkStatus();
  if (const auto* text = chat_template->get_ptr<const std::string*>()) {
    vocabulary.chat_template = *text;
  } else if (chat_template->is_array()) {  // named templates: the default one counts
    for (const SortedJson& one : *chat_template) {
      const std::string* name = find_string(one, "name");
      const std::string* text_of_it = find_string(one, "template");
      if (name != nullptr && *name == "default" && text_of_it != nullptr) {
        vocabulary.chat_template = *text_of_it;
      }
    }
  } else {
    return damaged(source, "chat_template: wanted a text");
  }
  return absl::OkStatus();
}

}  // namespace hadal
