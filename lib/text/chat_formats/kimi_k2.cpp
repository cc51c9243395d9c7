// Kimi-K2 and Moonlight. Every turn names its role between markers; a conversation without a system
// message gets one. Tool calls have an id of their own making, functions.NAME:NUMBER.
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "lib/text/chat_formats/formats.hpp"

namespace hadal {
namespace {

class KimiK2 final : public ChatFormat {
 public:
  constexpr explicit KimiK2(const char* default_system) : default_system_(default_system) {}

  const char* name() const override { return "kimi-k2"; }

  absl::StatusOr<std::vector<Piece>> render(std::span<const Message> messages,
                                            const ChatOptions& options) const override {
    PieceWriter out;
    // A host may have ids of its own for calls; the model sees those it was trained on, and the
    // results under the same ones. The number counts over the conversation.
    std::map<std::string, std::string> id_of_call;
    int n_calls = 0;
    if (!messages.empty() && messages[0].role != Role::kSystem) {
      begin_turn("<|im_system|>", "system", out);
      out.text(default_system_).special("<|im_end|>");
    }
    for (const Message& message : messages) {
      switch (message.role) {
        case Role::kSystem: begin_turn("<|im_system|>", "system", out); break;
        case Role::kUser: begin_turn("<|im_user|>", "user", out); break;
        case Role::kAssistant: begin_turn("<|im_assistant|>", "assistant", out); break;
        case Role::kTool: {
          begin_turn("<|im_system|>", "tool", out);
          const auto known = id_of_call.find(message.tool_call_id);
          out.text("## Return of ");
          out.text(known != id_of_call.end() ? known->second : message.tool_call_id).text("\n");
          break;
        }
      }
      out.text(message.content);
      if (!message.tool_calls.empty()) {
        out.special("<|tool_calls_section_begin|>");
        for (const ToolCall& call : message.tool_calls) {
          const std::string id = absl::StartsWith(call.id, "functions.")
                                     ? call.id
                                     : absl::StrCat("functions.", call.name, ":", n_calls);
          ++n_calls;
          id_of_call[call.id] = id;
          out.special("<|tool_call_begin|>").text(id).special("<|tool_call_argument_begin|>");
          out.text(call.arguments).special("<|tool_call_end|>");
        }
        out.special("<|tool_calls_section_end|>");
      }
      out.special("<|im_end|>");
    }
    if (options.add_generation_prompt) begin_turn("<|im_assistant|>", "assistant", out);
    return out.take();
  }

 private:
  static void begin_turn(absl::string_view marker, absl::string_view role, PieceWriter& out) {
    out.special(marker).text(role).special("<|im_middle|>");
  }

  const char* default_system_;
};

constexpr KimiK2 kPlain("You are a helpful assistant");
constexpr KimiK2 kIntroducesItself("You are Kimi, an AI assistant created by Moonshot AI.");

}  // namespace

const ChatFormat* kimi_k2_format(bool introduces_itself) {
  return introduces_itself ? &kIntroducesItself : &kPlain;
}

}  // namespace hadal
