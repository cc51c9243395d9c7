// From the ids a model generates to the text people read: whole UTF-8 characters, split into
// answer, reasoning and tool calls, ended by a stop text. What comes out does not depend on how the
// bytes were spread over tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/text/stop_texts.hpp"
#include "lib/text/tokenizer.hpp"
#include "lib/text/utf8_stream.hpp"

namespace hadal {

enum class Channel : int32_t { kAnswer = 0, kReasoning = 1, kTool = 2 };  // HADAL_CHANNEL_*

struct TextPart {
  Channel channel = Channel::kAnswer;
  std::string text;  // whole UTF-8 characters; bytes that are none became U+FFFD
};

class AnswerStream {
 public:
  // `prompt`: the ids before the answer; they tell whether it begins inside <think>, be it that the
  // chat format wrote that or that an unfinished answer goes on. The markers themselves (<think>,
  // </think>, begin and end of a section of tool calls) switch channels and are no text of any;
  // inside the tool channel the tokens' text is kept, so that a parser can read it.
  // Stop texts are looked for in the answer alone, not in reasoning or tool calls.
  AnswerStream(const Tokenizer& tokenizer, std::span<const int32_t> prompt,
               std::vector<std::string> stop_texts);

  // The text that one more id completes. Text that could still become a stop text waits.
  std::vector<TextPart> push(int32_t id);
  // What was still waiting, at the end.
  std::vector<TextPart> finish();

  bool stopped() const { return stop_texts_.stopped(); }  // what follows a stop text is dropped
  bool saw_tool_call() const { return saw_tool_call_; }   // a whole section of tool calls came

 private:
  // The ids of the markers this vocabulary has.
  struct Markers {
    explicit Markers(const Tokenizer& tokenizer);
    std::optional<int32_t> think_begin, think_end;
    std::optional<int32_t> tools_begin, tools_end;
    std::optional<int32_t> assistant;  // begins a turn
  };

  Channel channel_at_end_of(std::span<const int32_t> prompt) const;
  void switch_to(Channel channel, std::vector<TextPart>& parts);
  void add(absl::string_view bytes, std::vector<TextPart>& parts);
  void flush(std::vector<TextPart>& parts);
  void put(std::string text, std::vector<TextPart>& parts) const;

  const Tokenizer& tokenizer_;
  Markers markers_;
  Channel channel_;
  StopTexts stop_texts_;
  Utf8Stream characters_;
  bool saw_tool_call_ = false;
};

}  // namespace hadal
