#include "lib/text/pre_tokenizer.hpp"

#include "lib/base/status.hpp"

namespace hadal {
namespace {

constexpr const PreTokenizer* kAll[] = {&kDeepseekV3PreTokenizer, &kDeepseekLlmPreTokenizer,
                                        &kDeepseekCoderPreTokenizer, &kKimiK2PreTokenizer};

// Depth is the number of steps, a handful.
void split_from(std::span<const PreTokenizer::Step> steps, absl::string_view text, size_t begin,
                size_t end, absl::FunctionRef<void(absl::string_view)> sink) {
  if (steps.empty()) return sink(text.substr(begin, end - begin));
  const std::span<const PreTokenizer::Step> rest = steps.subspan(1);
  while (begin < end) {
    const Stretch match = steps.front().find(text, begin, end);
    HADAL_CHECK(match.end > begin);
    if (match.begin > begin) split_from(rest, text, begin, match.begin, sink);
    if (match.end > match.begin) split_from(rest, text, match.begin, match.end, sink);
    begin = match.end;
  }
}

}  // namespace

std::span<const PreTokenizer* const> pre_tokenizers() { return kAll; }

const PreTokenizer* find_pre_tokenizer(absl::string_view name) {
  for (const PreTokenizer* one : kAll) {
    if (name == one->name) return one;
  }
  return nullptr;
}

void split(const PreTokenizer& rules, absl::string_view text,
           absl::FunctionRef<void(absl::string_view piece)> sink) {
  split_from(rules.steps, text, 0, text.size(), sink);
}

}  // namespace hadal
