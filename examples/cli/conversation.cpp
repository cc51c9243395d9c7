// Messages to a session, and to a file.
#include "examples/cli/conversation.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "examples/cli/exit_codes.hpp"

namespace cli {

void Conversation::add(std::string role, std::string content, std::string reasoning) {
  messages_.push_back({std::move(role), std::move(content), std::move(reasoning)});
}

void Conversation::apply_to(hadal::Session& session, bool think) const {
  session.clear_messages();
  if (!system_.empty()) session.add_message("system", system_);
  for (const Message& m : messages_) session.add_message(m.role, m.content);
  session.apply_chat(HADAL_CHAT_PROMPT | (think ? HADAL_CHAT_THINK : 0));
}

std::string Conversation::as_json() const {
  auto array = nlohmann::ordered_json::array();
  if (!system_.empty()) array.push_back({{"role", "system"}, {"content", system_}});
  for (const Message& m : messages_) {
    array.push_back({{"role", m.role}, {"content", m.content}});
    if (!m.reasoning.empty()) array.back()["reasoning_content"] = m.reasoning;
  }
  return array.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string Conversation::as_text() const {
  std::string text;
  if (!system_.empty()) text += "system:\n" + system_ + "\n\n";
  for (const Message& m : messages_) text += m.role + ":\n" + m.content + "\n\n";
  return text;
}

void Conversation::save(const std::string& path) const {
  const bool json = path.size() >= 5 && path.compare(path.size() - 5, 5, ".json") == 0;
  const std::string text = json ? as_json() : as_text();
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"),
                                                             std::fclose);
  if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
      std::fflush(file.get()) != 0) {
    throw Failure("cannot write " + path + ": " + std::strerror(errno), "Give another file.");
  }
}

}  // namespace cli
