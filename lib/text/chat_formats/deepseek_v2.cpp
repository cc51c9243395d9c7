// DeepSeek-V2, V2-Lite, V2.5: roles are plain words; only BOS and the end of an answer are special
// tokens. There is no form for tools.
#include "lib/text/chat_formats/formats.hpp"

namespace hadal {
namespace {

using namespace deepseek;

class DeepseekV2 final : public ChatFormat {
 public:
  const char* name() const override { return "deepseek-v2"; }

  absl::StatusOr<std::vector<Piece>> render(std::span<const Message> messages,
                                            const ChatOptions& options) const override {
    PieceWriter out;
    out.special(kBegin);
    for (const Message& message : messages) {
      if (message.role == Role::kTool || !message.tool_calls.empty()) {
        return fail(HADAL_E_UNSUPPORTED, "chat format deepseek-v2: it has no form for tool calls",
                    "Leave tools out with this model, or describe them in words.");
      }
      switch (message.role) {
        case Role::kSystem: out.text(message.content).text("\n\n"); break;
        case Role::kUser: out.text("User: ").text(message.content).text("\n\n"); break;
        default: out.text("Assistant: ").text(message.content).special(kEnd); break;
      }
    }
    if (options.add_generation_prompt) out.text("Assistant:");
    return out.take();
  }
};

constexpr DeepseekV2 kV2;

}  // namespace

const ChatFormat* deepseek_v2_format() { return &kV2; }

}  // namespace hadal
