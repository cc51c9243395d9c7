#include "lib/text/chat_formats/formats.hpp"

namespace hadal::deepseek {

void write_beginning(std::span<const Message> messages, PieceWriter& out) {
  out.special(kBegin);
  bool is_first = true;
  for (const Message& message : messages) {
    if (message.role != Role::kSystem) continue;
    if (!is_first) out.text("\n\n");
    out.text(message.content);
    is_first = false;
  }
}

void write_fenced_calls(std::span<const ToolCall> calls, PieceWriter& out) {
  out.special(kCallsBegin);
  bool is_first = true;
  for (const ToolCall& call : calls) {
    if (!is_first) out.text("\n");
    out.special(kCallBegin).text(call.type).special(kSeparator).text(call.name);
    out.text("\n```json\n").text(call.arguments).text("\n```").special(kCallEnd);
    is_first = false;
  }
  out.special(kCallsEnd).special(kEnd);
}

void write_output(const Message& message, bool is_first, PieceWriter& out) {
  if (is_first) {
    out.special(kOutputsBegin);
  } else {
    out.text("\n");
  }
  out.special(kOutputBegin).text(message.content).special(kOutputEnd);
}

absl::string_view after_last_think_end(absl::string_view content) {
  const size_t at = content.rfind(kThinkEnd);
  return at == absl::string_view::npos ? content : content.substr(at + kThinkEnd.size());
}

absl::string_view after_first_think_end(absl::string_view content) {
  const size_t at = content.find(kThinkEnd);
  return at == absl::string_view::npos ? content : content.substr(at + kThinkEnd.size());
}

}  // namespace hadal::deepseek
