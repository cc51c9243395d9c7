#include "lib/convert/gguf_file_writer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "lib/checkpoint/gguf_types.hpp"

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

constexpr uint64_t kDefaultAlignment = 32;
constexpr size_t kMaxNameBytes = 63;  // what every reader takes
constexpr size_t kMaxDimensions = 4;

template <class T>
void put(std::string* to, T number) {
  static_assert(std::is_arithmetic_v<T>);
  to->append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put_string(std::string* to, absl::string_view text) {
  put(to, uint64_t{text.size()});
  to->append(text.data(), text.size());
}

// A number in the width of its type.
void put_scalar(std::string* to, GgufType type, const GgufScalar& scalar) {
  const auto as = [&](auto wanted) {
    using T = decltype(wanted);
    return std::visit([](auto value) { return static_cast<T>(value); }, scalar);
  };
  switch (type) {
    case GgufType::kUint8: put(to, as(uint8_t{})); break;
    case GgufType::kInt8: put(to, as(int8_t{})); break;
    case GgufType::kUint16: put(to, as(uint16_t{})); break;
    case GgufType::kInt16: put(to, as(int16_t{})); break;
    case GgufType::kUint32: put(to, as(uint32_t{})); break;
    case GgufType::kInt32: put(to, as(int32_t{})); break;
    case GgufType::kFloat32: put(to, as(float{})); break;
    case GgufType::kBool: put(to, static_cast<uint8_t>(as(bool{}) ? 1 : 0)); break;
    case GgufType::kUint64: put(to, as(uint64_t{})); break;
    case GgufType::kInt64: put(to, as(int64_t{})); break;
    case GgufType::kFloat64: put(to, as(double{})); break;
    case GgufType::kString:
    case GgufType::kArray: HADAL_CHECK(false); break;
  }
}

void put_value(std::string* to, const GgufValue& value) {
  put(to, static_cast<uint32_t>(value.type));
  if (const auto* text = std::get_if<std::string>(&value.value)) {
    put_string(to, *text);
  } else if (const auto* array = std::get_if<GgufArray>(&value.value)) {
    put(to, static_cast<uint32_t>(array->element_type));
    put(to, array->n_elements);
    to->append(array->bytes);
  } else {
    put_scalar(to, value.type, std::get<GgufScalar>(value.value));
  }
}

uint64_t rounded_up(uint64_t value, uint64_t step) { return (value + step - 1) / step * step; }

absl::Status not_for_gguf(const GgufTensorToWrite& tensor, absl::string_view what) {
  return fail(HADAL_E_UNSUPPORTED, absl::StrCat("the tensor ", tensor.name, ": ", what),
              "Choose another type for it with the option convert_rules.");
}

}  // namespace

void GgufEntries::set(absl::string_view key, GgufValue value) {
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry.value = std::move(value);
    return;
  }
  entries_.push_back({std::string(key), std::move(value)});
}

void GgufEntries::append(std::string key, GgufValue value) {
  entries_.push_back({std::move(key), std::move(value)});
}

void GgufEntries::set_u16(absl::string_view key, uint64_t value) {
  set(key, {GgufType::kUint16, GgufScalar(value)});
}
void GgufEntries::set_u32(absl::string_view key, uint64_t value) {
  set(key, {GgufType::kUint32, GgufScalar(value)});
}
void GgufEntries::set_i32(absl::string_view key, int64_t value) {
  set(key, {GgufType::kInt32, GgufScalar(value)});
}
void GgufEntries::set_f32(absl::string_view key, double value) {
  set(key, {GgufType::kFloat32, GgufScalar(value)});
}
void GgufEntries::set_flag(absl::string_view key, bool value) {
  set(key, {GgufType::kBool, GgufScalar(value)});
}
void GgufEntries::set_text(absl::string_view key, absl::string_view value) {
  set(key, {GgufType::kString, std::string(value)});
}

void GgufEntries::set_texts(absl::string_view key, const std::vector<std::string>& values) {
  GgufArray array{GgufType::kString, values.size(), {}};
  for (const std::string& value : values) put_string(&array.bytes, value);
  set(key, {GgufType::kArray, std::move(array)});
}

void GgufEntries::set_i32s(absl::string_view key, const std::vector<int32_t>& values) {
  GgufArray array{GgufType::kInt32, values.size(), {}};
  for (const int32_t value : values) put(&array.bytes, value);
  set(key, {GgufType::kArray, std::move(array)});
}

void GgufEntries::erase(absl::string_view key) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; });
}

const GgufValue* GgufEntries::find(absl::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

uint64_t gguf_metadata_bytes(const GgufEntries& metadata) {
  std::string bytes;
  uint64_t n_bytes = 24;  // magic, version, two counts
  for (const GgufEntries::Entry& entry : metadata.entries()) {
    bytes.clear();
    put_value(&bytes, entry.value);
    n_bytes += 8 + entry.key.size() + bytes.size();
  }
  return n_bytes;
}

uint64_t gguf_table_bytes(const GgufTensorToWrite& tensor) {
  return 8 + tensor.name.size() + 4 + 8 * tensor.shape.size() + 4 + 8;
}

absl::StatusOr<GgufLayout> lay_out_gguf(const GgufEntries& metadata,
                                        std::span<const GgufTensorToWrite> tensors) {
  GgufLayout layout;
  layout.alignment = kDefaultAlignment;
  if (const GgufValue* given = metadata.find("general.alignment")) {
    const auto* scalar = std::get_if<GgufScalar>(&given->value);
    HADAL_CHECK(scalar != nullptr);
    layout.alignment = std::visit([](auto v) { return static_cast<uint64_t>(v); }, *scalar);
    HADAL_CHECK(std::has_single_bit(layout.alignment));
  }
  std::string& header = layout.header;
  header = "GGUF";
  put(&header, uint32_t{3});
  put(&header, uint64_t{tensors.size()});
  put(&header, uint64_t{metadata.entries().size()});
  for (const GgufEntries::Entry& entry : metadata.entries()) {
    put_string(&header, entry.key);
    put_value(&header, entry.value);
  }
  uint64_t at = 0;
  for (const GgufTensorToWrite& tensor : tensors) {
    const std::optional<uint32_t> type = gguf_type_of(tensor.dtype);
    if (!type) return not_for_gguf(tensor, absl::StrCat("no GGUF file has ", name(tensor.dtype)));
    if (tensor.name.size() > kMaxNameBytes || tensor.shape.size() > kMaxDimensions) {
      return not_for_gguf(tensor, "a GGUF file has names of up to 63 bytes and 4 dimensions");
    }
    put_string(&header, tensor.name);
    put(&header, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;)  // the innermost first
      put(&header, static_cast<uint64_t>(tensor.shape[i]));
    put(&header, *type);
    put(&header, at);
    layout.offsets.push_back(at);
    at += rounded_up(tensor.size_bytes, layout.alignment);
  }
  header.resize(rounded_up(header.size(), layout.alignment), '\0');
  for (uint64_t& offset : layout.offsets) offset += header.size();
  layout.size_bytes = header.size() + at;
  return layout;
}

}  // namespace hadal
