// Writes tiny safetensors files and directories in Hugging Face's layout into memory, and can lie
// about every field of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/json.hpp"
#include "lib/checkpoint/safetensors_file.hpp"

namespace hadal::test {

struct SafetensorsWriter {
  struct Tensor {
    std::string name, dtype;
    std::vector<uint64_t> shape;
    std::string data;
    std::optional<std::pair<uint64_t, uint64_t>> offsets;  // instead of the true ones
  };

  std::vector<Tensor> tensors;                  // in the order of their data
  std::string metadata = R"({"format":"pt"})";  // as it stands in the file; empty for none
  std::optional<std::string> header;            // instead of the true one
  std::optional<uint64_t> header_size;          // the same
  std::string tail;                             // behind the data

  // Adds a tensor; without data it is filled with a byte.
  Tensor& tensor(const std::string& name, const std::string& dtype,
                 const std::vector<uint64_t>& shape, std::string data = "");
  Tensor& find(const std::string& name);
  void remove(const std::string& name);

  std::string header_text() const;
  std::string bytes() const;
};

// Three tensors of different types, one of which lies at an odd byte.
SafetensorsWriter tiny_safetensors();

// A directory: names and bytes of its files.
struct HfDirectory {
  std::map<std::string, std::string> files;

  Json json(const std::string& name) const;
  void set(const std::string& name, const Json& value);
};

// V3's topology with no tensor larger than a few numbers: 2 layers, experts in fp8, an MTP layer;
// two files with an index, or one.
HfDirectory tiny_hf_directory(bool is_sharded = true);

// The first thing wrong with a table that was read from these bytes; empty if it is right.
std::string problem_of(const SafetensorsFile& file, const std::string& bytes);

}  // namespace hadal::test
