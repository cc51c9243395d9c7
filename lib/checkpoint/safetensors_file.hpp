// One safetensors file: its header and table of tensors, read and checked. Knows the layout of the
// format and no name of a tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/base/status.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // [outer, ..., inner], at most 8; empty for a single number
  uint64_t offset = 0;         // from the start of the file
  uint64_t size_bytes = 0;  // offset + size_bytes is at most the file's size; 0 if a dimension is
};

struct SafetensorsFile {
  std::shared_ptr<const File> file;
  std::vector<SafetensorsTensor> tensors;  // in the order of their data, which fill the file
};

// What the files of a set may use up together.
struct SafetensorsTotals {
  uint64_t n_tensors = 0;
  uint64_t header_bytes = 0;
};

// True for a length of eight bytes, as a header may have it, and an opening brace.
bool is_safetensors(absl::string_view first_bytes);

// Reads the header and no weights. Adds to `totals`. E_FORMAT, E_UNSUPPORTED, E_LIMIT, E_IO.
absl::StatusOr<SafetensorsFile> read_safetensors_file(std::shared_ptr<const File> file,
                                                      const CheckpointOptions& options,
                                                      SafetensorsTotals& totals);

}  // namespace hadal
