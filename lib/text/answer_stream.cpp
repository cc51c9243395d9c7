#include "lib/text/answer_stream.hpp"

#include <utility>

namespace hadal {
namespace {

std::optional<int32_t> find_either(const Tokenizer& tokenizer, absl::string_view deepseek,
                                   absl::string_view kimi) {
  const std::optional<int32_t> id = tokenizer.find_special(deepseek);
  return id ? id : tokenizer.find_special(kimi);
}

}  // namespace

AnswerStream::Markers::Markers(const Tokenizer& tokenizer)
    : think_begin(tokenizer.find_special("<think>")),
      think_end(tokenizer.find_special("</think>")),
      tools_begin(find_either(tokenizer, "<｜tool▁calls▁begin｜>", "<|tool_calls_section_begin|>")),
      tools_end(find_either(tokenizer, "<｜tool▁calls▁end｜>", "<|tool_calls_section_end|>")),
      assistant(find_either(tokenizer, "<｜Assistant｜>", "<|im_assistant|>")) {}

AnswerStream::AnswerStream(const Tokenizer& tokenizer, std::span<const int32_t> prompt,
                           std::vector<std::string> stop_texts)
    : tokenizer_(tokenizer),
      markers_(tokenizer),
      channel_(channel_at_end_of(prompt)),
      stop_texts_(std::move(stop_texts)) {}

// The latest marker decides, within the turn that is open.
Channel AnswerStream::channel_at_end_of(std::span<const int32_t> prompt) const {
  for (auto id = prompt.rbegin(); id != prompt.rend(); ++id) {
    if (markers_.think_begin == *id) return Channel::kReasoning;
    if (markers_.tools_begin == *id) return Channel::kTool;
    if (markers_.think_end == *id || markers_.tools_end == *id || markers_.assistant == *id ||
        tokenizer_.ends_generation(*id)) {
      return Channel::kAnswer;
    }
  }
  return Channel::kAnswer;
}

std::vector<TextPart> AnswerStream::push(int32_t id) {
  std::vector<TextPart> parts;
  if (stopped() || tokenizer_.ends_generation(id)) return parts;
  if (channel_ == Channel::kTool) {
    if (markers_.tools_end == id) {
      saw_tool_call_ = true;
      switch_to(Channel::kAnswer, parts);
    } else {
      add(tokenizer_.bytes(id), parts);
    }
  } else if (markers_.tools_begin == id) {
    switch_to(Channel::kTool, parts);
  } else if (markers_.think_begin == id) {
    switch_to(Channel::kReasoning, parts);
  } else if (markers_.think_end == id) {
    switch_to(Channel::kAnswer, parts);
  } else if (tokenizer_.kind(id) != TokenKind::kControl) {
    add(tokenizer_.bytes(id), parts);
  }
  return parts;
}

std::vector<TextPart> AnswerStream::finish() {
  std::vector<TextPart> parts;
  flush(parts);
  return parts;
}

void AnswerStream::switch_to(Channel channel, std::vector<TextPart>& parts) {
  if (channel == channel_) return;
  flush(parts);
  channel_ = channel;
}

void AnswerStream::add(absl::string_view bytes, std::vector<TextPart>& parts) {
  std::string text;
  if (channel_ != Channel::kAnswer) {
    characters_.push(bytes, text);
  } else {
    std::string passed;
    stop_texts_.push(bytes, passed);
    characters_.push(passed, text);
    if (stopped()) characters_.finish(text);
  }
  put(std::move(text), parts);
}

void AnswerStream::flush(std::vector<TextPart>& parts) {
  std::string text, passed;
  stop_texts_.flush(passed);
  characters_.push(passed, text);
  characters_.finish(text);
  put(std::move(text), parts);
}

void AnswerStream::put(std::string text, std::vector<TextPart>& parts) const {
  if (!text.empty()) parts.push_back({channel_, std::move(text)});
}

}  // namespace hadal
