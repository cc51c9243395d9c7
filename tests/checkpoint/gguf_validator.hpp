// A second reader of GGUF files, slow and obvious, over a whole file in memory. It shares nothing
// with the first: where both look at the same bytes, they must agree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/checkpoint/gguf_file.hpp"

namespace hadal::test {

struct PlainGguf {
  bool is_sound = false;
  std::string problem;  // if it is not
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dimensions;  // as in the file
    uint32_t type;
    uint64_t offset, size_bytes;  // in the file
  };
  std::vector<std::string> keys;
  std::vector<Tensor> tensors;
};
PlainGguf read_plainly(const std::string& bytes);

// What is wrong with a set's manifest, given the bytes of its files; empty if nothing is. Every
// tensor lies in its file, none overlap, sizes follow from shapes, and all is as read_plainly says.
std::string problem_of(const Checkpoint& checkpoint, const std::vector<std::string>& files);

// The same for one file as its reader sees it.
std::string problem_of(const GgufFile& file, const std::string& bytes);

// Changes with anything a checkpoint says.
uint64_t fingerprint(const Checkpoint& checkpoint);

}  // namespace hadal::test
