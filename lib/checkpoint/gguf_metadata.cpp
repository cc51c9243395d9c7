#include "lib/checkpoint/gguf_metadata.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "lib/base/json.hpp"
#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

struct TypeInfo {
  const char* name;
  uint8_t smallest_bytes;
};
constexpr TypeInfo kInfo[kGgufTypeCount] = {
    {"uint8", 1},  {"int8", 1},    {"uint16", 2},  {"int16", 2},  {"uint32", 4},
    {"int32", 4},  {"float32", 4}, {"bool", 1},    {"string", 8}, {"array", 12},
    {"uint64", 8}, {"int64", 8},   {"float64", 8},
};

template <class T>
T load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// The shortest digits that give the number back. `type` says whether it was a float or a double.
std::string format_real(double value, GgufType type) {
  char digits[64];
  const std::to_chars_result end =
      type == GgufType::kFloat32
          ? std::to_chars(digits, digits + sizeof digits, static_cast<float>(value))
          : std::to_chars(digits, digits + sizeof digits, value);
  return std::string(digits, end.ptr);
}

std::string format_scalar(const GgufScalar& value, GgufType type) {
  if (const auto* number = std::get_if<double>(&value)) return format_real(*number, type);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  if (const auto* number = std::get_if<int64_t>(&value)) return absl::StrCat(*number);
  return absl::StrCat(std::get<uint64_t>(value));
}

std::string format_array(const GgufArray& array) {
  std::string json = "[";
  GgufElements elements(array);
  if (array.element_type == GgufType::kString) {
    while (const auto text = elements.next_string()) {
      if (json.size() > 1) json += ',';
      json += write_json(Json(std::string(*text)));
    }
  } else {
    while (const auto value = elements.next_scalar()) {
      if (json.size() > 1) json += ',';
      const auto* real = std::get_if<double>(&*value);
      json += real != nullptr && !std::isfinite(*real) ? "null"  // JSON has no word for it
                                                       : format_scalar(*value, array.element_type);
    }
  }
  json += ']';
  return json;
}

}  // namespace

const char* name(GgufType type) { return kInfo[static_cast<size_t>(type)].name; }
uint64_t smallest_bytes(GgufType type) { return kInfo[static_cast<size_t>(type)].smallest_bytes; }

bool is_integer(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kUint16:
    case GgufType::kInt16:
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kUint64:
    case GgufType::kInt64: return true;
    default: return false;
  }
}

GgufScalar decode_scalar(GgufType type, const char* bytes) {
  switch (type) {
    case GgufType::kUint8: return uint64_t{load<uint8_t>(bytes)};
    case GgufType::kInt8: return int64_t{load<int8_t>(bytes)};
    case GgufType::kUint16: return uint64_t{load<uint16_t>(bytes)};
    case GgufType::kInt16: return int64_t{load<int16_t>(bytes)};
    case GgufType::kUint32: return uint64_t{load<uint32_t>(bytes)};
    case GgufType::kInt32: return int64_t{load<int32_t>(bytes)};
    case GgufType::kFloat32: return static_cast<double>(load<float>(bytes));
    case GgufType::kBool: return load<uint8_t>(bytes) != 0;
    case GgufType::kUint64: return load<uint64_t>(bytes);
    case GgufType::kInt64: return load<int64_t>(bytes);
    case GgufType::kFloat64: return load<double>(bytes);
    case GgufType::kString:
    case GgufType::kArray: break;
  }
  throw_internal_error("a scalar type", __FILE__, __LINE__);
}

std::optional<absl::string_view> GgufElements::next_string() {
  HADAL_CHECK(array_.element_type == GgufType::kString);
  if (rest_.empty()) return std::nullopt;
  const auto size = load<uint64_t>(rest_.data());
  const absl::string_view text = rest_.substr(sizeof size, static_cast<size_t>(size));
  rest_.remove_prefix(sizeof size + text.size());
  return text;
}

std::optional<GgufScalar> GgufElements::next_scalar() {
  if (rest_.empty()) return std::nullopt;
  const GgufScalar value = decode_scalar(array_.element_type, rest_.data());
  rest_.remove_prefix(static_cast<size_t>(smallest_bytes(array_.element_type)));
  return value;
}

absl::Status GgufMetadata::add(Entry entry) {
  const auto [place, is_new] = by_key_.try_emplace(entry.key, entries_.size());
  if (!is_new) {
    return fail(HADAL_E_FORMAT,
                absl::StrCat(path_, ": the key ", printable(entry.key), " stands twice, at byte ",
                             entries_[place->second].at, " and at byte ", entry.at),
                "The file was put together wrongly: convert it again or get another copy.");
  }
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

const GgufMetadata::Entry* GgufMetadata::find(absl::string_view key) const {
  const auto place = by_key_.find(key);
  return place == by_key_.end() ? nullptr : &entries_[place->second];
}

absl::Status GgufMetadata::unwanted(const Entry& entry, absl::string_view wanted,
                                    absl::string_view found) const {
  return fail(
      HADAL_E_FORMAT,
      absl::StrCat(path_, ": ", printable(entry.key), " (at byte ", entry.at, "): wanted ", wanted,
                   ", found ", found),
      "The file is damaged or was written wrongly: compare its checksum, get another copy.");
}

absl::Status GgufMetadata::unwanted(absl::string_view key, absl::string_view wanted,
                                    absl::string_view found) const {
  const Entry* entry = find(key);
  HADAL_CHECK(entry != nullptr);
  return unwanted(*entry, wanted, found);
}

absl::Status GgufMetadata::unsupported(absl::string_view key, absl::string_view found,
                                       absl::string_view hint) const {
  const Entry* entry = find(key);
  HADAL_CHECK(entry != nullptr);
  return fail(HADAL_E_UNSUPPORTED,
              absl::StrCat(path_, ": ", printable(key), " (at byte ", entry->at, ") is ", found,
                           ", which hadal cannot run"),
              hint);
}

absl::Status GgufMetadata::unwanted_type(const Entry& entry, absl::string_view wanted) const {
  const auto* array = std::get_if<GgufArray>(&entry.value.value);
  return unwanted(entry, wanted,
                  array == nullptr ? name(entry.value.type)
                                   : absl::StrCat("array of ", name(array->element_type)));
}

absl::StatusOr<std::optional<int64_t>> GgufMetadata::integer(absl::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  if (!is_integer(entry->value.type)) return unwanted_type(*entry, "an integer");
  const auto& scalar = std::get<GgufScalar>(entry->value.value);
  if (const auto* value = std::get_if<int64_t>(&scalar)) return *value;
  const auto value = std::get<uint64_t>(scalar);
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return unwanted(*entry, "an integer of 63 bits", absl::StrCat(value));
  }
  return static_cast<int64_t>(value);
}

absl::StatusOr<std::optional<double>> GgufMetadata::real(absl::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  if (entry->value.type != GgufType::kFloat32 && entry->value.type != GgufType::kFloat64) {
    return unwanted_type(*entry, "a float");
  }
  const auto value = std::get<double>(std::get<GgufScalar>(entry->value.value));
  if (!std::isfinite(value)) {
    return unwanted(*entry, "a finite number", format_real(value, entry->value.type));
  }
  return value;
}

absl::StatusOr<std::optional<bool>> GgufMetadata::flag(absl::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  const GgufType type = entry->value.type;
  if (type == GgufType::kBool) return std::get<bool>(std::get<GgufScalar>(entry->value.value));
  if (type != GgufType::kUint8 && type != GgufType::kInt8) return unwanted_type(*entry, "a bool");
  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> value, integer(key));
  if (*value != 0 && *value != 1) return unwanted(*entry, "a bool", absl::StrCat(*value));
  return *value == 1;
}

absl::StatusOr<std::optional<std::string>> GgufMetadata::text(absl::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  const auto* value = std::get_if<std::string>(&entry->value.value);
  if (value == nullptr) return unwanted_type(*entry, "a string");
  return *value;
}

absl::StatusOr<const GgufArray*> GgufMetadata::strings(absl::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return nullptr;
  const auto* array = std::get_if<GgufArray>(&entry->value.value);
  if (array == nullptr || array->element_type != GgufType::kString) {
    return unwanted_type(*entry, "an array of strings");
  }
  return array;
}

absl::StatusOr<const GgufArray*> GgufMetadata::integers(absl::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return nullptr;
  const auto* array = std::get_if<GgufArray>(&entry->value.value);
  if (array == nullptr || !is_integer(array->element_type)) {
    return unwanted_type(*entry, "an array of integers");
  }
  return array;
}

std::optional<std::string> GgufMetadata::formatted(absl::string_view key) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&entry->value.value)) return *text;
  if (const auto* array = std::get_if<GgufArray>(&entry->value.value)) return format_array(*array);
  return format_scalar(std::get<GgufScalar>(entry->value.value), entry->value.type);
}

}  // namespace hadal
