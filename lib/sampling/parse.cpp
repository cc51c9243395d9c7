// The options of a sampler that are lists written as text.
#include <charconv>
#include <cmath>
#include <string>

#include "absl/strings/str_split.h"
#include "lib/sampling/sampler.hpp"

namespace hadal {
namespace {

absl::string_view trimmed(absl::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The whole text as a number; false if it is none, or too large.
template <class Number>
bool read_number(absl::string_view text, Number& value) {
  text = trimmed(text);
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

absl::Status bad_item(absl::string_view list, size_t number, absl::string_view item,
                      absl::string_view wanted) {
  return fail(HADAL_E_OUT_OF_RANGE,
              absl::StrCat(list, ": item ", number, " is '", item, "', wanted ", wanted),
              "Write token ids as whole numbers from 0; hadal_tokenizer_encode finds them.");
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> parse_token_ids(absl::string_view text) {
  std::vector<int32_t> ids;
  if (trimmed(text).empty()) return ids;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    int32_t id = 0;
    if (!read_number(item, id) || id < 0) {
      return bad_item("token ids", ids.size() + 1, item, "a token id, as in 12,345");
    }
    ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::vector<std::pair<int32_t, double>>> parse_logit_bias(absl::string_view text) {
  std::vector<std::pair<int32_t, double>> bias;
  if (trimmed(text).empty()) return bias;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(item, absl::MaxSplits(':', 1));
    int32_t id = 0;
    double value = 0.0;
    if (!read_number(parts.first, id) || id < 0 || !read_number(parts.second, value) ||
        std::isnan(value) || (std::isinf(value) && value > 0.0)) {
      return bad_item("logit bias", bias.size() + 1, item,
                      "id:bias with a finite bias or -inf, as in 12:-1.5");
    }
    bias.emplace_back(id, value);
  }
  return bias;
}

}  // namespace hadal
