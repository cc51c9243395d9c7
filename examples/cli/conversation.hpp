// The messages of a chat, kept beside the session so that a turn can be taken back.
#pragma once

#include <hadal/hadal.hpp>
#include <string>
#include <vector>

namespace cli {

class Conversation {
 public:
  void set_system(std::string text) { system_ = std::move(text); }
  void add(std::string role, std::string content, std::string reasoning = "");
  void drop_last() { messages_.pop_back(); }
  void clear() { messages_.clear(); }

  // Queues the conversation with the opening of an answer; what the session has already computed
  // of it stays.
  void apply_to(hadal::Session& session, bool think) const;

  // JSON if the name ends in .json, else text. Failure.
  void save(const std::string& path) const;

 private:
  struct Message {
    std::string role, content, reasoning;
  };
  std::string as_json() const;
  std::string as_text() const;
  std::string system_;
  std::vector<Message> messages_;
};

}  // namespace cli
