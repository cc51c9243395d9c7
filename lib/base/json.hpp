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

// The value of a key of an object; null (the pointer) if there is none, or it is null.
const SortedJson* find_value(const SortedJson& object, const char* key);
// The same of a text; null if it is anything else, too.
const std::string* find_string(const SortedJson& object, const char* key);
// Whether a key is the boolean wanted; a key that is not there counts as `if_absent`.
bool says(const SortedJson& object, const char* key, bool wanted, bool if_absent);

// A value with all that is in it, for readers of large texts. nlohmann's destructor puts the
// children of arrays and objects on a stack that it allocates, and ends the process where there is
// no memory for that; here they are taken apart first, in place.
class JsonTree {
 public:
  JsonTree() = default;
  explicit JsonTree(SortedJson value) : value_(std::move(value)) {}
  JsonTree(JsonTree&& other) noexcept : value_(std::move(other.value_)) {}
  JsonTree& operator=(JsonTree&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~JsonTree();

  const SortedJson& operator*() const { return value_; }
  const SortedJson* operator->() const { return &value_; }
  SortedJson& root() { return value_; }

 private:
  SortedJson value_;
};

// As parse_sorted_json().
absl::StatusOr<JsonTree> parse_tree(absl::string_view text, absl::string_view what,
                                    int max_depth = 64);

// What stands in a JSON text, in order, for texts too long to be kept as a whole. The first failure
// ends the walk.
class JsonVisitor {
 public:
  virtual absl::Status begin_object() = 0;
  virtual absl::Status key(absl::string_view key) = 0;
  virtual absl::Status end_object() = 0;
  virtual absl::Status begin_array() = 0;
  virtual absl::Status end_array() = 0;
  virtual absl::Status text(absl::string_view value) = 0;
  virtual absl::Status whole_number(uint64_t value) = 0;
  virtual absl::Status other_value() = 0;  // null, true, false, a negative or broken number

 protected:
  ~JsonVisitor() = default;
};

// The failure of the visitor, or E_FORMAT with the place for what is not JSON or not UTF-8. Depth
// is the visitor's business: the walk itself takes a bit for each level.
absl::Status walk_json(absl::string_view text, absl::string_view what, JsonVisitor& visitor);

// One line; bytes that are not UTF-8 are replaced.
std::string write_json(const Json& value);
std::string write_sorted_json(const SortedJson& value);
// Lines of their own, two spaces for each level.
std::string write_indented_json(const SortedJson& value);

}  // namespace hadal
