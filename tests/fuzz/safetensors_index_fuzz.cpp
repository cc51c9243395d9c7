// Any text as the index of a set. What is accepted resolves every tensor once, to a file that is
// beside the index; and opened with three small files there, it is the set it describes or an
// error.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "lib/checkpoint/safetensors_index.hpp"
#include "lib/checkpoint/safetensors_set.hpp"
#include "tests/checkpoint/memory_files.hpp"
#include "tests/checkpoint/safetensors_writer.hpp"

namespace {

void put_shards(hadal::test::MemoryFiles& memory) {
  for (const char* name : {"a", "b", "c"}) {
    hadal::test::SafetensorsWriter w;
    w.tensor(name, "F32", {2});
    w.tensor("shared", "BF16", {1});
    memory.put(std::string("dir/") + name + ".safetensors", w.bytes());
  }
}

size_t n_tensors_of(const hadal::SafetensorsSet& set) {
  size_t n = 0;
  for (const hadal::SafetensorsFile& file : set.files) n += file.tensors.size();
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hadal;
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckpointOptions options;
  options.limit_tensors = 1024;
  options.limit_shards = 16;
  const auto index = read_safetensors_index(text, "dir/index.json", options);
  if (!index.ok()) {
    HADAL_CHECK(!hint_of(index.status()).empty());
    return 0;
  }
  std::set<std::string> names, files(index->files.begin(), index->files.end());
  HADAL_CHECK(files.size() == index->files.size() && !files.empty());
  for (const std::string& file : files) {
    HADAL_CHECK(file.find_first_of("/\\:") == std::string::npos && file[0] != '.');
  }
  std::set<size_t> used;
  for (const auto& [name, file] : index->tensors) {
    HADAL_CHECK(names.insert(name).second && file < index->files.size());
    used.insert(file);
  }
  HADAL_CHECK(used.size() == files.size());

  test::MemoryFiles memory;
  put_shards(memory);
  {
    const auto set =
        read_safetensors_set(memory.files(), "dir/", *index, "dir/index.json", options);
    if (set.ok()) {
      HADAL_CHECK(n_tensors_of(*set) == names.size() && set->missing.empty());
    } else {
      HADAL_CHECK(!hint_of(set.status()).empty());
    }
    options.allow_missing_files = true;
    const auto part =
        read_safetensors_set(memory.files(), "dir/", *index, "dir/index.json", options);
    if (part.ok()) {
      HADAL_CHECK(!part->files.empty() && n_tensors_of(*part) <= names.size());
      HADAL_CHECK(part->files.size() + part->missing.size() == index->files.size());
      HADAL_CHECK(set.ok() == part->missing.empty());
    } else {
      HADAL_CHECK(!set.ok() && !hint_of(part.status()).empty());
    }
  }
  HADAL_CHECK(memory.n_open() == 0);
  return 0;
}
