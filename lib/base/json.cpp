#include "lib/base/json.hpp"

namespace hadal {
namespace {

template <class AnyJson>
absl::StatusOr<AnyJson> parse(absl::string_view text, absl::string_view what, int max_depth) {
  bool too_deep = false;
  const auto watch = [&](int depth, typename AnyJson::parse_event_t event, AnyJson&) {
    const bool opens = event == AnyJson::parse_event_t::object_start ||
                       event == AnyJson::parse_event_t::array_start;
    if (opens && depth >= max_depth) too_deep = true;  // depth: of the level it stands in
    return !too_deep;                                  // drops what is below
  };
  try {
    AnyJson value = AnyJson::parse(text.begin(), text.end(), watch);
    if (too_deep) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(what, ": JSON nested deeper than ", max_depth, " levels"),
                  "Real files are flat: check where this one comes from.");
    }
    return value;
  } catch (const typename AnyJson::exception& error) {
    return fail(HADAL_E_FORMAT, absl::StrCat(what, ": not valid JSON: ", error.what()),
                "The text is damaged or cut: compare it with its source.");
  }
}

}  // namespace

absl::StatusOr<Json> parse_json(absl::string_view text, absl::string_view what, int max_depth) {
  return parse<Json>(text, what, max_depth);
}

absl::StatusOr<SortedJson> parse_sorted_json(absl::string_view text, absl::string_view what,
                                             int max_depth) {
  return parse<SortedJson>(text, what, max_depth);
}

std::string write_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hadal
