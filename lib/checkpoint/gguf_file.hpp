// One GGUF file: its header, metadata and table of tensors, read and checked. Knows the layout of
// the format and none of its names but general.alignment.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/base/status.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/checkpoint/gguf_metadata.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

struct GgufTensor {
  std::string name;
  uint64_t at = 0;  // byte of the file where its line of the table stands
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // [outer, ..., inner]: the file lists them the other way round
  uint64_t offset = 0;         // from the start of the file
  uint64_t size_bytes = 0;     // offset + size_bytes is at most the file's size
};

struct GgufFile {
  std::shared_ptr<const File> file;
  uint32_t version = 0;  // 2 or 3
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  // in the order of the table, which is that of the data
  uint64_t header_bytes = 0;        // up to the end of the table
};

// What the files of a set may use up together.
struct GgufTotals {
  uint64_t n_tensors = 0;
  uint64_t header_bytes = 0;
};

// True for the four letters every GGUF file begins with.
bool is_gguf(absl::string_view first_bytes);

// Reads the header and no weights. Adds to `totals`. E_FORMAT, E_UNSUPPORTED, E_LIMIT, E_IO.
absl::StatusOr<GgufFile> read_gguf_file(std::shared_ptr<const File> file,
                                        const CheckpointOptions& options, GgufTotals& totals);

}  // namespace hadal
