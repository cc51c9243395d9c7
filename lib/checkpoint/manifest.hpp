// What a checkpoint holds: names, types, shapes and extents. Built by a reader that has checked
// every number, never changed afterwards; nobody past this point sees an integer from a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/hash_map.hpp"
#include "lib/base/status.hpp"
#include "lib/tensor/dtype.hpp"

namespace hadal {

struct TensorEntry {
  std::string name;          // hadal's: "layers.3.self_attn.q_a_proj"; the file's if it has none
  std::string name_in_file;  // "blk.3.attn_q_a.weight"
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // [outer, ..., inner], 1 to 8 dimensions, none of them 0
  int32_t file = 0;            // index into Checkpoint::files()
  uint64_t offset = 0;         // from the start of that file
  uint64_t size_bytes = 0;     // offset + size_bytes lies inside the file
};

class Manifest {
 public:
  // E_FORMAT if the name is taken.
  absl::Status add(TensorEntry entry);
  const TensorEntry* find(absl::string_view name) const;
  const std::vector<TensorEntry>& entries() const { return entries_; }  // in file order

 private:
  std::vector<TensorEntry> entries_;
  HashMap<std::string, size_t> by_name_;
};

}  // namespace hadal
