// Messages of a conversation from role names and JSON; declared in chat_format.hpp.
#include <optional>
#include <utility>

#include "lib/base/json.hpp"
#include "lib/text/chat_format.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kShape =
    "A message is {\"role\": ..., \"content\": text or null, \"tool_calls\": [{\"id\", \"type\", "
    "\"function\": {\"name\", \"arguments\"}}], \"tool_call_id\": ...}.";

absl::Status refuse(absl::string_view what) {
  return fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat("message: ", what), kShape);
}

// A text of the object; "" if it is absent or null.
absl::StatusOr<std::string> text_at(const SortedJson& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::string();
  const auto* text = found->get_ptr<const std::string*>();
  if (text == nullptr) return refuse(absl::StrCat(key, ": wanted a text"));
  return *text;
}

absl::StatusOr<ToolCall> tool_call(const SortedJson& json) {
  if (!json.is_object()) return refuse("tool_calls: wanted objects");
  const auto function = json.find("function");
  if (function == json.end() || !function->is_object()) {
    return refuse("tool_calls: wanted an object 'function'");
  }
  ToolCall call;
  HADAL_ASSIGN_OR_RETURN(call.id, text_at(json, "id"));
  HADAL_ASSIGN_OR_RETURN(call.type, text_at(json, "type"));
  HADAL_ASSIGN_OR_RETURN(call.name, text_at(*function, "name"));
  HADAL_ASSIGN_OR_RETURN(call.arguments, text_at(*function, "arguments"));
  if (call.type.empty()) call.type = "function";
  if (call.name.empty()) return refuse("tool_calls: wanted a name of the function");
  return call;
}

}  // namespace

absl::StatusOr<Role> role_from_name(absl::string_view name) {
  if (name == "system") return Role::kSystem;
  if (name == "user") return Role::kUser;
  if (name == "assistant") return Role::kAssistant;
  if (name == "tool") return Role::kTool;
  return fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat("role '", name, "'"),
              "Use \"system\", \"user\", \"assistant\" or \"tool\".");
}

absl::StatusOr<Message> message_from_json(absl::string_view json) {
  const absl::StatusOr<SortedJson> parsed = parse_sorted_json(json, "message");
  if (!parsed.ok()) return fail(HADAL_E_INVALID_ARGUMENT, message_of(parsed.status()), kShape);
  if (!parsed->is_object()) return refuse("wanted an object");

  Message message;
  HADAL_ASSIGN_OR_RETURN(const std::string role, text_at(*parsed, "role"));
  HADAL_ASSIGN_OR_RETURN(message.role, role_from_name(role));
  HADAL_ASSIGN_OR_RETURN(message.content, text_at(*parsed, "content"));
  const auto content = parsed->find("content");
  message.has_content = content != parsed->end() && !content->is_null();
  HADAL_ASSIGN_OR_RETURN(message.tool_call_id, text_at(*parsed, "tool_call_id"));

  const auto calls = parsed->find("tool_calls");
  if (calls != parsed->end() && !calls->is_null()) {
    if (!calls->is_array()) return refuse("tool_calls: wanted an array");
    for (const SortedJson& one : *calls) {
      HADAL_ASSIGN_OR_RETURN(ToolCall call, tool_call(one));
      message.tool_calls.push_back(std::move(call));
    }
  }
  if (!message.tool_calls.empty() && message.role != Role::kAssistant) {
    return refuse("tool_calls: only an assistant's message can have them");
  }
  if (!message.has_content && message.tool_calls.empty()) {
    return refuse("content: wanted a text (null is possible beside tool_calls)");
  }
  return message;
}

}  // namespace hadal
