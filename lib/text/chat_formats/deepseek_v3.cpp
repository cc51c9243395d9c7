// DeepSeek-V3 of December 2024 and R1 of January 2025, which since February opens every answer with
// <think> and a line end. The history leaves out the reasoning of earlier answers.
#include "lib/text/chat_formats/formats.hpp"

namespace hadal {
namespace {

using namespace deepseek;

class DeepseekV3 final : public ChatFormat {
 public:
  constexpr DeepseekV3(const char* name, bool always_thinks)
      : name_(name), always_thinks_(always_thinks) {}

  const char* name() const override { return name_; }

  absl::StatusOr<std::vector<Piece>> render(std::span<const Message> messages,
                                            const ChatOptions& options) const override {
    PieceWriter out;
    write_beginning(messages, out);
    bool in_outputs = false;  // a section of tool results is open
    for (const Message& message : messages) {
      switch (message.role) {
        case Role::kSystem: break;
        case Role::kUser:
          out.special(kUser).text(message.content);
          in_outputs = false;
          break;
        case Role::kAssistant:
          if (!message.tool_calls.empty()) {
            out.special(kAssistant).text(message.content);
            write_fenced_calls(message.tool_calls, out);
          } else if (in_outputs) {
            out.special(kOutputsEnd).text(message.content).special(kEnd);
          } else {
            out.special(kAssistant).text(after_last_think_end(message.content)).special(kEnd);
          }
          in_outputs = false;
          break;
        case Role::kTool:
          // Early templates open a section only once in a conversation; later ones as here.
          write_output(message, !in_outputs, out);
          in_outputs = true;
          break;
      }
    }
    if (in_outputs) {
      out.special(kOutputsEnd);  // and the model goes on right there
    } else if (options.add_generation_prompt) {
      out.special(kAssistant);
      if (always_thinks_) out.special(kThinkBegin).text("\n");
    }
    return out.take();
  }

 private:
  const char* name_;
  bool always_thinks_;
};

constexpr DeepseekV3 kV3("deepseek-v3", false);
constexpr DeepseekV3 kR1("deepseek-r1", true);

}  // namespace

const ChatFormat* deepseek_v3_format() { return &kV3; }
const ChatFormat* deepseek_r1_format() { return &kR1; }

}  // namespace hadal
