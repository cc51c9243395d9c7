// From the ids a model generates to the text people read: whole UTF-8 characters, split into
// answer, reasoning and tool calls, ended by a stop text. What comes out does not depend on how the
// bytes were spread over tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/text/tokenizer.hpp"

namespace hadal {

enum class Channel : int32_t { kAnswer = 0, kReasoning = 1, kTool = 2 };  // HADAL_CHANNEL_*

struct TextPart {
  Channel channel = Channel::kAnswer;
  std::string text;  // whole UTF-8 characters; bytes that are none became U+FFFD
};

class AnswerStream {
 public:
  // `prompt`: the ids before the answer; they tell whether it begins inside <think>. The markers
  // themselves (<think>, </think>, tool call tokens) switch channels and are no text of the answer
  // or reasoning; inside the tool channel the tokens' text is kept, so that a parser can read it.
  AnswerStream(const Tokenizer& tokenizer, std::span<const int32_t> prompt,
               std::vector<std::string> stop_texts);

  // The text that one more id completes. Text that could still become a stop text waits.
  std::vector<TextPart> push(int32_t id);
  // What was still waiting, at the end.
  std::vector<TextPart> finish();

  bool stopped() const;        // a stop text came; what follows it is dropped
  bool saw_tool_call() const;  // a whole section of tool calls came

 private:
  const Tokenizer& tokenizer_;
  Channel channel_ = Channel::kAnswer;
  std::vector<std::string> stop_texts_;
  std::string pending_;
  bool stopped_ = false;
  bool saw_tool_call_ = false;
};

}  // namespace hadal
