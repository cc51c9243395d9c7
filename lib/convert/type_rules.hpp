// Rules that give single tensors a type of their own: "ffn_down_exps=q6_k;^blk.0.=q8_0".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/base/status.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

struct TypeRule {
  std::string pattern;
  std::optional<DType> type;  // nothing: as it is
};

// "pattern=type;pattern=type". E_OUT_OF_RANGE for what is none, and a type that hadal does not
// write.
absl::StatusOr<std::vector<TypeRule>> parse_type_rules(absl::string_view text);

// A pattern fits any part of a name; * stands for any characters, ? for one, ^ in front for the
// beginning, $ at the end for the end.
bool fits(absl::string_view pattern, absl::string_view name);

}  // namespace hadal
