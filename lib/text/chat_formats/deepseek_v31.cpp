// DeepSeek-V3.1: one model that thinks or does not, as the opening of its answer says: <think> or
// </think>. The history carries </think> and no reasoning. Tool calls have neither type nor fence.
#include "lib/text/chat_formats/formats.hpp"

namespace hadal {
namespace {

using namespace deepseek;

class DeepseekV31 final : public ChatFormat {
 public:
  const char* name() const override { return "deepseek-v3.1"; }

  absl::StatusOr<std::vector<Piece>> render(std::span<const Message> messages,
                                            const ChatOptions& options) const override {
    PieceWriter out;
    write_beginning(messages, out);
    bool after_user = false, after_tool = false;
    for (const Message& message : messages) {
      switch (message.role) {
        case Role::kSystem: break;
        case Role::kUser:
          out.special(kUser).text(message.content);
          after_user = true;
          after_tool = false;
          break;
        case Role::kAssistant:
          if (after_user) out.special(kAssistant).special(kThinkEnd);
          if (!message.tool_calls.empty()) {
            out.text(message.content);
            write_calls(message.tool_calls, out);
          } else {
            out.text(after_tool ? absl::string_view(message.content)
                                : after_first_think_end(message.content));
          }
          out.special(kEnd);
          after_user = after_tool = false;
          break;
        case Role::kTool:
          out.special(kOutputBegin).text(message.content).special(kOutputEnd);
          after_user = false;
          after_tool = true;
          break;
      }
    }
    if (options.add_generation_prompt && after_user) {
      out.special(kAssistant).special(options.thinking ? kThinkBegin : kThinkEnd);
    }
    return out.take();
  }

 private:
  static void write_calls(std::span<const ToolCall> calls, PieceWriter& out) {
    out.special(kCallsBegin);
    for (const ToolCall& call : calls) {
      out.special(kCallBegin).text(call.name).special(kSeparator).text(call.arguments);
      out.special(kCallEnd);
    }
    out.special(kCallsEnd);
  }
};

constexpr DeepseekV31 kV31;

}  // namespace

const ChatFormat* deepseek_v31_format() { return &kV31; }

}  // namespace hadal
