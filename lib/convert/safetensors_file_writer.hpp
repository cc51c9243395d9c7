// The layout of a safetensors file that is to be written, and of the index over several of them.
// Knows the format and no name of a tensor.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/status.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

struct SafetensorsTensorToWrite {
  absl::string_view name;
  DType dtype;
  std::span<const int64_t> shape;  // [outer, ..., inner]
  uint64_t size_bytes;
};

struct SafetensorsLayout {
  std::string header;             // its length in eight bytes, then the text
  std::vector<uint64_t> offsets;  // of each tensor, from the start of the file
  uint64_t size_bytes = 0;        // of the whole file
};

// Tensors follow one another without gaps. E_UNSUPPORTED for a type that the format lacks.
absl::StatusOr<SafetensorsLayout> lay_out_safetensors(
    std::span<const SafetensorsTensorToWrite> tensors);

// model.safetensors.index.json: which tensor lies in which file, in the order given.
std::string safetensors_index_text(
    std::span<const std::pair<std::string, std::string>> file_of_tensor, uint64_t total_bytes);

}  // namespace hadal
