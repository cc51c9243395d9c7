#include "lib/base/json.hpp"

namespace hadal {
namespace {

absl::Status not_json(absl::string_view what, absl::string_view why) {
  return fail(HADAL_E_FORMAT, absl::StrCat(what, ": not valid JSON: ", why),
              "The text is damaged or cut: compare it with its source.");
}

absl::Status too_deep(absl::string_view what, int max_depth) {
  return fail(HADAL_E_FORMAT,
              absl::StrCat(what, ": JSON nested deeper than ", max_depth, " levels"),
              "Real files are flat: check where this one comes from.");
}

template <class AnyJson>
absl::StatusOr<AnyJson> parse(absl::string_view text, absl::string_view what, int max_depth) {
  bool is_too_deep = false;
  const auto watch = [&](int depth, typename AnyJson::parse_event_t event, AnyJson&) {
    const bool opens = event == AnyJson::parse_event_t::object_start ||
                       event == AnyJson::parse_event_t::array_start;
    if (opens && depth >= max_depth) is_too_deep = true;  // depth: of the level it stands in
    return !is_too_deep;                                  // drops what is below
  };
  try {
    AnyJson value = AnyJson::parse(text.begin(), text.end(), watch);
    if (is_too_deep) {
      return too_deep(what, max_depth);
    }
    return value;
  } catch (const typename AnyJson::exception& error) {
    return not_json(what, error.what());
  }
}

// Builds a tree whose owner outlives a failure in the middle of it.
class TreeBuilder : public nlohmann::detail::json_sax_dom_parser<SortedJson> {
 public:
  using Base = nlohmann::detail::json_sax_dom_parser<SortedJson>;
  TreeBuilder(SortedJson& tree, absl::string_view what, int max_depth)
      : Base(tree, false), what_(what), max_depth_(max_depth) {}
  const absl::Status& status() const { return status_; }

  bool start_object(size_t n) { return go_down() && Base::start_object(n); }
  bool start_array(size_t n) { return go_down() && Base::start_array(n); }
  bool end_object() { return --depth_, Base::end_object(); }
  bool end_array() { return --depth_, Base::end_array(); }
  bool parse_error(size_t, const std::string&, const SortedJson::exception& error) {
    status_ = not_json(what_, error.what());
    return false;
  }

 private:
  bool go_down() {
    if (++depth_ > max_depth_) status_ = too_deep(what_, max_depth_);
    return status_.ok();
  }

  absl::string_view what_;
  int max_depth_, depth_ = 0;
  absl::Status status_;
};

// Leaves nothing in the value whose destructor would allocate.
void take_apart(SortedJson& value) {
  for (SortedJson& child : value) {
    if (child.is_structured()) take_apart(child);
  }
  value.clear();
}

// From nlohmann's calls to ours.
class Walk final : public SortedJson::json_sax_t {
 public:
  Walk(absl::string_view what, JsonVisitor& visitor) : what_(what), visitor_(visitor) {}
  const absl::Status& status() const { return status_; }

  bool null() override { return keep(visitor_.other_value()); }
  bool boolean(bool) override { return keep(visitor_.other_value()); }
  bool number_integer(number_integer_t) override { return keep(visitor_.other_value()); }
  bool number_unsigned(number_unsigned_t value) override {
    return keep(visitor_.whole_number(value));
  }
  bool number_float(number_float_t, const string_t&) override {
    return keep(visitor_.other_value());
  }
  bool string(string_t& value) override { return keep(visitor_.text(value)); }
  bool binary(binary_t&) override { return keep(visitor_.other_value()); }
  bool start_object(size_t) override { return keep(visitor_.begin_object()); }
  bool key(string_t& value) override { return keep(visitor_.key(value)); }
  bool end_object() override { return keep(visitor_.end_object()); }
  bool start_array(size_t) override { return keep(visitor_.begin_array()); }
  bool end_array() override { return keep(visitor_.end_array()); }
  bool parse_error(size_t, const std::string&, const SortedJson::exception& error) override {
    return keep(not_json(what_, error.what()));
  }

 private:
  bool keep(absl::Status status) {
    status_ = std::move(status);
    return status_.ok();
  }

  absl::string_view what_;
  JsonVisitor& visitor_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<Json> parse_json(absl::string_view text, absl::string_view what, int max_depth) {
  return parse<Json>(text, what, max_depth);
}

absl::StatusOr<SortedJson> parse_sorted_json(absl::string_view text, absl::string_view what,
                                             int max_depth) {
  return parse<SortedJson>(text, what, max_depth);
}

JsonTree::~JsonTree() {
  if (value_.is_structured()) take_apart(value_);
}

absl::StatusOr<JsonTree> parse_tree(absl::string_view text, absl::string_view what, int max_depth) {
  JsonTree tree;
  TreeBuilder builder(tree.root(), what, max_depth);
  SortedJson::sax_parse(text.begin(), text.end(), &builder);
  if (!builder.status().ok()) return builder.status();
  return tree;
}

const SortedJson* find_value(const SortedJson& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const std::string* find_string(const SortedJson& object, const char* key) {
  const SortedJson* value = find_value(object, key);
  return value != nullptr ? value->get_ptr<const std::string*>() : nullptr;
}

bool says(const SortedJson& object, const char* key, bool wanted, bool if_absent) {
  const SortedJson* value = find_value(object, key);
  if (value == nullptr) return wanted == if_absent;
  return value->is_boolean() && value->get<bool>() == wanted;
}

absl::Status walk_json(absl::string_view text, absl::string_view what, JsonVisitor& visitor) {
  Walk walk(what, visitor);
  SortedJson::sax_parse(text.begin(), text.end(), &walk);
  return walk.status();
}

std::string write_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string write_sorted_json(const SortedJson& value) {
  return value.dump(-1, ' ', false, SortedJson::error_handler_t::replace);
}

std::string write_indented_json(const SortedJson& value) {
  return value.dump(2, ' ', false, SortedJson::error_handler_t::replace);
}

}  // namespace hadal
