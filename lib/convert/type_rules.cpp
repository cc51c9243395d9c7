#include "lib/convert/type_rules.hpp"

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/convert/type_choice.hpp"
#include "lib/tensor/block_encoders.hpp"

namespace hadal {
namespace {

// The whole of `text` against a pattern of characters, * and ?. The last * seen is where to go on
// from when something does not fit: earlier ones need not be tried again.
bool fits_whole(absl::string_view pattern, absl::string_view text) {
  size_t p = 0, t = 0, star = absl::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != absl::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

absl::StatusOr<std::vector<TypeRule>> parse_type_rules(absl::string_view text) {
  std::vector<TypeRule> rules;
  for (const absl::string_view one : absl::StrSplit(text, ';', absl::SkipEmpty())) {
    const size_t equals = one.rfind('=');
    if (equals == absl::string_view::npos || equals == 0) {
      return fail(HADAL_E_OUT_OF_RANGE, absl::StrCat("\"", one, "\" is no rule"),
                  "Give pattern=type, and ; between rules: ffn_down_exps=q8_0;attn_=f16");
    }
    TypeRule rule{std::string(one.substr(0, equals)), std::nullopt};
    const absl::string_view type = one.substr(equals + 1);
    if (type != "keep") {
      rule.type = dtype_from_name(type);
      if (!rule.type || !can_encode(*rule.type)) {
        return fail(
            HADAL_E_OUT_OF_RANGE,
            absl::StrCat("the rule \"", one, "\": \"", type, "\" is no type that hadal writes"),
            absl::StrCat("Give keep or a type, but no mix: ", writable_types(), "."));
      }
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

bool fits(absl::string_view pattern, absl::string_view name) {
  std::string whole;
  if (!absl::ConsumePrefix(&pattern, "^")) whole = "*";
  const bool to_the_end = absl::ConsumeSuffix(&pattern, "$");
  absl::StrAppend(&whole, pattern, to_the_end ? "" : "*");
  return fits_whole(whole, name);
}

}  // namespace hadal
