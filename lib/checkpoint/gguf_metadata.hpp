// The metadata of a GGUF file: keys with typed values, in the order of the file. A value is read as
// the type it has or not at all; only integers may have any width.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/hash_map.hpp"
#include "lib/base/status.hpp"

namespace hadal {

// With the numbers of the format.
enum class GgufType : uint8_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
inline constexpr uint32_t kGgufTypeCount = 13;
const char* name(GgufType type);  // "uint32"
uint64_t smallest_bytes(
    GgufType type);  // what a value takes in a file at least; of a number: exactly
bool is_integer(GgufType type);

// Scalars widened: every unsigned integer is a uint64_t, every signed one an int64_t.
using GgufScalar = std::variant<uint64_t, int64_t, double, bool>;

// Elements as they lie in the file, already checked: numbers one behind the other, strings each
// with its length in 8 bytes in front.
struct GgufArray {
  GgufType element_type = GgufType::kUint8;
  uint64_t n_elements = 0;
  std::string bytes;
};

struct GgufValue {
  GgufType type = GgufType::kUint8;
  std::variant<GgufScalar, std::string, GgufArray> value;
};

// A number of `type` from its smallest_bytes(type) bytes. `type` is neither string nor array; a
// bool is true for any byte but 0.
GgufScalar decode_scalar(GgufType type, const char* bytes);

// Walks an array of strings, or of numbers.
class GgufElements {
 public:
  explicit GgufElements(const GgufArray& array) : array_(array), rest_(array.bytes) {}
  std::optional<absl::string_view> next_string();
  std::optional<GgufScalar> next_scalar();

 private:
  const GgufArray& array_;
  absl::string_view rest_;
};

class GgufMetadata {
 public:
  struct Entry {
    std::string key;
    uint64_t at = 0;  // byte of the file where the key stands
    GgufValue value;
  };

  explicit GgufMetadata(std::string path) : path_(std::move(path)) {}

  absl::Status add(Entry entry);  // E_FORMAT if the key is there already
  const Entry* find(absl::string_view key) const;
  const std::vector<Entry>& entries() const { return entries_; }

  // Nothing if the key is absent; E_FORMAT for another type, a number beyond int64_t or one that is
  // not finite. A flag may also be an 8-bit integer 0 or 1, as some tools write it.
  absl::StatusOr<std::optional<int64_t>> integer(absl::string_view key) const;
  absl::StatusOr<std::optional<double>> real(absl::string_view key) const;
  absl::StatusOr<std::optional<bool>> flag(absl::string_view key) const;
  absl::StatusOr<std::optional<std::string>> text(absl::string_view key) const;
  absl::StatusOr<const GgufArray*> strings(absl::string_view key) const;   // null if absent
  absl::StatusOr<const GgufArray*> integers(absl::string_view key) const;  // null if absent

  // A value for people: scalars and strings as they are, arrays as JSON.
  std::optional<std::string> formatted(absl::string_view key) const;

  // E_FORMAT: this key's value is not what was wanted. `found` describes it.
  absl::Status unwanted(const Entry& entry, absl::string_view wanted,
                        absl::string_view found) const;
  absl::Status unwanted(absl::string_view key, absl::string_view wanted,
                        absl::string_view found) const;
  // E_UNSUPPORTED: this key's value is one that hadal cannot run.
  absl::Status unsupported(absl::string_view key, absl::string_view found,
                           absl::string_view hint) const;

 private:
  absl::Status unwanted_type(const Entry& entry, absl::string_view wanted) const;

  std::string path_;
  std::vector<Entry> entries_;
  HashMap<std::string, size_t> by_key_;
};

}  // namespace hadal
