#include "lib/text/chat_format.hpp"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "lib/text/chat_formats/formats.hpp"

namespace hadal {
namespace {

std::vector<const ChatFormat*> all_formats() {
  return {deepseek_v2_format(),           deepseek_v3_format(),  deepseek_r1_format(),
          deepseek_v3_0324_format(false), deepseek_v31_format(), kimi_k2_format(false)};
}

absl::Status unknown_template(absl::string_view what) {
  return fail(HADAL_E_UNSUPPORTED, absl::StrCat("chat template: ", what),
              absl::StrCat("Set the option chat_format to the format the model was trained with: ",
                           absl::StrJoin(chat_format_names(), ", "), "."));
}

// White space says nothing in these templates, and quotes come in two kinds.
std::string squeezed(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!absl::ascii_isspace(static_cast<unsigned char>(c))) out.push_back(c == '"' ? '\'' : c);
  }
  return out;
}

// The variable `thinking` of V3.1, and not one that only ends so.
bool has_thinking_variable(absl::string_view squeezed_template) {
  for (const absl::string_view use : {"ifnotthinking", "ifthinking", "andthinking"}) {
    if (absl::StrContains(squeezed_template, use)) return true;
  }
  return false;
}

// Whether the expression that writes a user's turn ends it with the marker of the answer.
bool user_turn_opens_answer(absl::string_view text) {
  for (size_t at = text.find(deepseek::kUser); at != absl::string_view::npos;
       at = text.find(deepseek::kUser, at + 1)) {
    const absl::string_view expression = text.substr(at, text.find("}}", at) - at);
    if (absl::StrContains(expression, deepseek::kAssistant)) return true;
  }
  return false;
}

}  // namespace

std::vector<const char*> chat_format_names() {
  std::vector<const char*> names;
  for (const ChatFormat* format : all_formats()) names.push_back(format->name());
  return names;
}

absl::StatusOr<const ChatFormat*> chat_format(absl::string_view name) {
  for (const ChatFormat* format : all_formats()) {
    if (name == format->name()) return format;
  }
  return fail(HADAL_E_OUT_OF_RANGE, absl::StrCat("chat format '", name, "'"),
              absl::StrCat("Use one of ", absl::StrJoin(chat_format_names(), ", "), "."));
}

absl::StatusOr<const ChatFormat*> recognise_chat_format(absl::string_view chat_template) {
  const std::string text = squeezed(chat_template);
  const auto has = [&](absl::string_view part) { return absl::StrContains(text, part); };
  if (text.empty()) return unknown_template("the file has none");
  if (has("<|im_assistant|>")) {
    // The thinking releases of Kimi keep reasoning in their history in a form of its own.
    if (has("<think>")) return unknown_template("one of Kimi's that hadal does not know");
    return kimi_k2_format(has("YouareKimi,anAIassistantcreatedbyMoonshotAI."));
  }
  if (has(deepseek::kUser) && has(deepseek::kAssistant)) {
    if (has("dsml_token") || has("｜DSML｜")) {
      return unknown_template("one of DeepSeek's after V3.1, which hadal does not know");
    }
    if (has("<｜Assistant｜></think>") || has_thinking_variable(text)) return deepseek_v31_format();
    if (has("<｜Assistant｜><think>")) return deepseek_r1_format();
    if (user_turn_opens_answer(text)) {
      return deepseek_v3_0324_format(has("split('</think>')"));
    }
    return deepseek_v3_format();
  }
  if (has("'User:'+message['content']+'\\n\\n'") && has("'Assistant:'")) {
    return deepseek_v2_format();
  }
  return unknown_template("not one that hadal knows");
}

std::string text_of(std::span<const Piece> pieces) {
  std::string text;
  for (const Piece& piece : pieces) text += piece.text;
  return text;
}

std::vector<int32_t> encode_pieces(const Tokenizer& tokenizer, std::span<const Piece> pieces) {
  std::vector<int32_t> ids;
  for (const Piece& piece : pieces) {
    const std::vector<int32_t> some = tokenizer.encode(piece.text, piece.special);
    ids.insert(ids.end(), some.begin(), some.end());
  }
  if (tokenizer.add_bos() && (ids.empty() || ids.front() != *tokenizer.bos_id())) {
    ids.insert(ids.begin(), *tokenizer.bos_id());
  }
  return ids;
}

}  // namespace hadal
