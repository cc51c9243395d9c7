// Turn formats: how a conversation becomes a prompt. The list of formats, and how the file's Jinja
// template tells which one it is. hadal does not run templates; it recognises them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/base/status.hpp"
#include "lib/text/tokenizer.hpp"

namespace hadal {

struct ToolCall {
  std::string id{};    // "" if none was given
  std::string type{};  // "function"
  std::string name{};
  std::string arguments{};  // JSON text, as given
};

enum class Role : uint8_t { kSystem, kUser, kAssistant, kTool };

struct Message {
  Role role = Role::kUser;
  std::string content{};
  bool has_content = true;  // false: null beside tool calls
  std::vector<ToolCall> tool_calls{};
  std::string tool_call_id{};  // of a tool's answer
};

// "system", "user", "assistant", "tool"; E_INVALID_ARGUMENT names the four.
absl::StatusOr<Role> role_from_name(absl::string_view name);
// A message from its JSON object (hadal_session_add_message_json).
absl::StatusOr<Message> message_from_json(absl::string_view json);

struct ChatOptions {
  bool add_generation_prompt = true;  // HADAL_CHAT_PROMPT
  bool thinking = false;              // HADAL_CHAT_THINK
};

// A stretch of a rendered prompt. Only `special` stretches are parsed for special tokens: what a
// user wrote stays text, whatever it looks like.
struct Piece {
  std::string text;
  bool special = false;
};

// Formats are constants that live as long as the library.
class ChatFormat {
 public:
  virtual const char* name() const = 0;  // "deepseek-v3"
  // Neighbouring stretches of text are one piece, so that BPE sees them whole.
  virtual absl::StatusOr<std::vector<Piece>> render(std::span<const Message> messages,
                                                    const ChatOptions& options) const = 0;

 protected:
  ~ChatFormat() = default;
};

// By name; E_OUT_OF_RANGE lists the names.
absl::StatusOr<const ChatFormat*> chat_format(absl::string_view name);
// By the file's template. E_UNSUPPORTED if it is empty or none of the known ones; the hint names
// the option chat_format and its values.
absl::StatusOr<const ChatFormat*> recognise_chat_format(absl::string_view chat_template);
std::vector<const char*> chat_format_names();

// The text of all pieces, special tokens as their text.
std::string text_of(std::span<const Piece> pieces);
// The ids of all pieces. BOS exactly once at the front if the tokenizer wants one, whether the
// format wrote it or not.
std::vector<int32_t> encode_pieces(const Tokenizer& tokenizer, std::span<const Piece> pieces);

}  // namespace hadal
