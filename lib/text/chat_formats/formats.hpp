// The turn formats, one file each beside this one, and what those of DeepSeek have in common.
#pragma once

#include <span>

#include "lib/text/chat_format.hpp"
#include "lib/text/piece_writer.hpp"

namespace hadal {

const ChatFormat* deepseek_v2_format();
const ChatFormat* deepseek_v3_format();
const ChatFormat* deepseek_r1_format();
// R1-0528 has the turns of V3-0324, but its history leaves out the reasoning.
const ChatFormat* deepseek_v3_0324_format(bool history_without_reasoning);
const ChatFormat* deepseek_v31_format();
// What is said for a conversation without a system message differs between releases.
const ChatFormat* kimi_k2_format(bool introduces_itself);

// The bars are U+FF5C, the low lines U+2581.
namespace deepseek {

inline constexpr absl::string_view kBegin = "<｜begin▁of▁sentence｜>";
inline constexpr absl::string_view kEnd = "<｜end▁of▁sentence｜>";
inline constexpr absl::string_view kUser = "<｜User｜>";
inline constexpr absl::string_view kAssistant = "<｜Assistant｜>";
inline constexpr absl::string_view kThinkBegin = "<think>";
inline constexpr absl::string_view kThinkEnd = "</think>";
inline constexpr absl::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
inline constexpr absl::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
inline constexpr absl::string_view kCallBegin = "<｜tool▁call▁begin｜>";
inline constexpr absl::string_view kCallEnd = "<｜tool▁call▁end｜>";
inline constexpr absl::string_view kSeparator = "<｜tool▁sep｜>";
inline constexpr absl::string_view kOutputsBegin = "<｜tool▁outputs▁begin｜>";
inline constexpr absl::string_view kOutputsEnd = "<｜tool▁outputs▁end｜>";
inline constexpr absl::string_view kOutputBegin = "<｜tool▁output▁begin｜>";
inline constexpr absl::string_view kOutputEnd = "<｜tool▁output▁end｜>";

// BOS and all system messages, wherever they stand, with an empty line between two.
void write_beginning(std::span<const Message> messages, PieceWriter& out);

// A section of calls as V3, R1 and V3-0324 write it: type, name, arguments in a fence of Markdown.
void write_fenced_calls(std::span<const ToolCall> calls, PieceWriter& out);

// A tool's answer as they write it; the first of several opens the section.
void write_output(const Message& message, bool is_first, PieceWriter& out);

absl::string_view after_last_think_end(absl::string_view content);
absl::string_view after_first_think_end(absl::string_view content);

}  // namespace deepseek
}  // namespace hadal
