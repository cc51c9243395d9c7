// The layout of a GGUF file that is to be written: metadata and table of tensors as bytes, and
// where the data of each tensor go. Knows the format and, of its keys, general.alignment alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/base/status.hpp"
#include "lib/checkpoint/gguf_metadata.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

// Metadata under construction, in the order in which they will stand. Setting a key that is there
// changes its value and not its place.
class GgufEntries {
 public:
  void set(absl::string_view key, GgufValue value);
  void append(std::string key, GgufValue value);  // one that is not there
  void set_u16(absl::string_view key, uint64_t value);
  void set_u32(absl::string_view key, uint64_t value);
  void set_i32(absl::string_view key, int64_t value);
  void set_f32(absl::string_view key, double value);
  void set_flag(absl::string_view key, bool value);
  void set_text(absl::string_view key, absl::string_view value);
  void set_texts(absl::string_view key, const std::vector<std::string>& values);
  void set_i32s(absl::string_view key, const std::vector<int32_t>& values);
  void erase(absl::string_view key);
  const GgufValue* find(absl::string_view key) const;

  struct Entry {
    std::string key;
    GgufValue value;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

struct GgufTensorToWrite {
  absl::string_view name;
  DType dtype;
  std::span<const int64_t> shape;  // [outer, ..., inner]
  uint64_t size_bytes;
};

struct GgufLayout {
  std::string header;             // up to the first byte of data
  std::vector<uint64_t> offsets;  // of each tensor, from the start of the file
  uint64_t alignment = 0;         // zeros follow every tensor up to a multiple of it
  uint64_t size_bytes = 0;        // of the whole file
};

// E_UNSUPPORTED for a type or a name that the format cannot hold.
absl::StatusOr<GgufLayout> lay_out_gguf(const GgufEntries& metadata,
                                        std::span<const GgufTensorToWrite> tensors);

// What the metadata, and a tensor's line in the table, take at most.
uint64_t gguf_metadata_bytes(const GgufEntries& metadata);
uint64_t gguf_table_bytes(const GgufTensorToWrite& tensor);

}  // namespace hadal
