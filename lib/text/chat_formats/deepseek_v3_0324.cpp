// DeepSeek-V3-0324 and R1-0528: a user's turn ends in the marker that begins the answer, so a
// conversation that ends in one needs no further prompt, and cannot do without.
#include "lib/text/chat_formats/formats.hpp"

namespace hadal {
namespace {

using namespace deepseek;

class DeepseekV30324 final : public ChatFormat {
 public:
  constexpr explicit DeepseekV30324(bool history_without_reasoning)
      : history_without_reasoning_(history_without_reasoning) {}

  const char* name() const override { return "deepseek-v3-0324"; }

  absl::StatusOr<std::vector<Piece>> render(std::span<const Message> messages,
                                            const ChatOptions& options) const override {
    PieceWriter out;
    write_beginning(messages, out);
    bool answer_is_open = false;  // by a user's turn
    bool in_outputs = false;      // a section of tool results is open
    for (const Message& message : messages) {
      switch (message.role) {
        case Role::kSystem: break;
        case Role::kUser:
          out.special(kUser).text(message.content).special(kAssistant);
          answer_is_open = true;
          in_outputs = false;
          break;
        case Role::kAssistant:
          if (in_outputs) out.special(kOutputsEnd);
          out.text(history_without_reasoning_ ? after_last_think_end(message.content)
                                              : absl::string_view(message.content));
          if (message.tool_calls.empty()) {
            out.special(kEnd);
          } else {
            write_fenced_calls(message.tool_calls, out);
          }
          answer_is_open = in_outputs = false;
          break;
        case Role::kTool:
          write_output(message, !in_outputs, out);
          answer_is_open = false;
          in_outputs = true;
          break;
      }
    }
    if (in_outputs) {
      out.special(kOutputsEnd);
    } else if (options.add_generation_prompt && !answer_is_open) {
      out.special(kAssistant);
    }
    return out.take();
  }

 private:
  bool history_without_reasoning_;
};

constexpr DeepseekV30324 kV30324(false);
constexpr DeepseekV30324 kR10528(true);

}  // namespace

const ChatFormat* deepseek_v3_0324_format(bool history_without_reasoning) {
  return history_without_reasoning ? &kR10528 : &kV30324;
}

}  // namespace hadal
