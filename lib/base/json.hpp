// The only way to JSON (nlohmann/json): parsing with a bound on depth and without exceptions
// leaving, writing.
#pragma once

#include "lib/base/status.hpp"

#define JSON_ASSERT(condition) HADAL_CHECK(condition)
#include <nlohmann/json.hpp>

namespace hadal {

using Json = nlohmann::ordered_json;

// Parses a whole text. `what` names it in messages. E_FORMAT with the place for anything that is
// not JSON, or not UTF-8, or nested deeper than `max_depth`.
absl::StatusOr<Json> parse_json(absl::string_view text, absl::string_view what, int max_depth = 64);

// The same for a text from a stranger whose objects may have many keys: Json keeps their order and
// looks each one up from the front, which takes quadratic time; this one sorts them.
using SortedJson = nlohmann::json;
absl::StatusOr<SortedJson> parse_sorted_json(absl::string_view text, absl::string_view what,
                                             int max_depth = 64);

// One line; bytes that are not UTF-8 are replaced.
std::string write_json(const Json& value);

}  // namespace hadal
