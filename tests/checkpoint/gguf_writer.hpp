// Writes tiny GGUF files into memory, and can lie about every field of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hadal::test {

// Numbers as a file holds them.
template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string raw_string(const std::string& text);  // its length in 8 bytes, then itself

struct GgufWriter {
  struct Entry {
    std::string key;
    uint32_t type = 0;
    std::string value;                 // as it stands in the file
    std::optional<uint64_t> key_size;  // instead of the key's own
  };
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dimensions;  // innermost first, as in the file
    uint32_t type = 0;
    uint64_t size_bytes = 0;         // of its data
    std::optional<uint64_t> offset;  // these four instead of the true ones
    std::optional<uint32_t> n_dimensions;
    std::optional<uint64_t> name_size;
    std::string data;  // filled up with zeros to size_bytes
  };

  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> n_tensors, n_entries;  // instead of the true ones
  uint64_t alignment = 32;                       // how data are laid out, whatever the key says
  bool pads_end = true;
  std::vector<Entry> entries;
  std::vector<Tensor> tensors;

  // Replaces the key's value, or adds the key.
  GgufWriter& set_raw(const std::string& key, uint32_t type, std::string value);
  GgufWriter& set_u32(const std::string& key, uint32_t value) {
    return set_raw(key, 4, raw(value));
  }
  GgufWriter& set_f32(const std::string& key, float value) { return set_raw(key, 6, raw(value)); }
  GgufWriter& set_bool(const std::string& key, bool value) {
    return set_raw(key, 7, raw(static_cast<uint8_t>(value)));
  }
  GgufWriter& set_text(const std::string& key, const std::string& value) {
    return set_raw(key, 8, raw_string(value));
  }
  GgufWriter& set_strings(const std::string& key, const std::vector<std::string>& values);
  GgufWriter& set_i32s(const std::string& key, const std::vector<int32_t>& values);
  GgufWriter& remove(const std::string& key);

  // Adds a tensor; its size follows from its type.
  Tensor& tensor(const std::string& name, const std::vector<uint64_t>& dimensions,
                 uint32_t type = 0);
  GgufWriter& remove_tensor(const std::string& name);
  Tensor& find_tensor(const std::string& name);

  // Where the parts begin in bytes().
  struct Places {
    std::vector<size_t> entries, tensors;
    size_t header_end = 0, data_start = 0;
  };
  std::string bytes(Places* places = nullptr) const;
};

// A model with every key hadal reads and one tensor of every name: 2 layers and an MTP layer, new
// style, no tensor larger than a few numbers.
GgufWriter tiny_model();

// The same cut into files; the first carries the metadata, and file i the tensors at i, i + n ...
std::vector<GgufWriter> split(const GgufWriter& model, int n_files);
std::string shard_path(const std::string& prefix, int number, int count);

}  // namespace hadal::test
