// Any bytes as a safetensors file. What is accepted, a second reader finds in the bytes: tensors
// that fill the file one behind the other, with the names, types and shapes of the header.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "lib/checkpoint/safetensors_file.hpp"
#include "tests/checkpoint/memory_files.hpp"
#include "tests/checkpoint/safetensors_writer.hpp"

namespace {

void require(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "safetensors_header_fuzz: %s\n", what.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hadal;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  CheckpointOptions options;
  options.limit_tensors = 1024;
  test::MemoryFiles memory;
  memory.put("f.safetensors", bytes);
  {
    const auto file = memory.files().open("f.safetensors");
    require(file.ok(), "the file is there");
    SafetensorsTotals totals;
    const auto read = read_safetensors_file(*file, options, totals);
    if (read.ok()) {
      const std::string problem = test::problem_of(*read, bytes);
      require(problem.empty(), problem);
      require(totals.n_tensors == read->tensors.size(), "counts the tensors");
    } else {
      require(!hint_of(read.status()).empty(), "no hint: " + message_of(read.status()));
      const hadal_status code = code_of(read.status());
      require(code == HADAL_E_FORMAT || code == HADAL_E_LIMIT || code == HADAL_E_UNSUPPORTED,
              "another code: " + message_of(read.status()));
    }
  }
  require(memory.n_open() == 0, "a file stays open");
  return 0;
}
