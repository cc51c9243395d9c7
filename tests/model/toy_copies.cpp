#include "tests/model/toy_copies.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

namespace hadal::test {
namespace fs = std::filesystem;

ToyCopies::ToyCopies() {
  std::string name = testing::TempDir() + "hadal_toys_XXXXXX";
  HADAL_CHECK(mkdtemp(name.data()) != nullptr);
  folder_ = name;
}

ToyCopies::~ToyCopies() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string ToyCopies::copy(const std::string& toy, const std::string& name) {
  const std::string from = HADAL_TEST_DATA "/golden/toys/" + toy;
  // Of a directory only what belongs to the checkpoint, not the other forms beside it.
  if (!fs::is_directory(from)) {
    fs::copy_file(from, path(name));
    return path(name);
  }
  fs::create_directories(path(name));
  for (const char* file : {"config.json", "generation_config.json", "model.safetensors",
                           "tokenizer.json", "tokenizer_config.json"}) {
    fs::copy_file(from + "/" + file, path(name) + "/" + file);
  }
  return path(name);
}

std::string ToyCopies::copy_file(const std::string& from, const std::string& name) {
  fs::copy_file(from, path(name));
  return path(name);
}

std::string ToyCopies::read(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void ToyCopies::write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path(name), std::ios::binary | std::ios::trunc) << bytes;
}

void ToyCopies::change_json(const std::string& name, const std::function<void(Json&)>& change) {
  Json json = *parse_json(read(name), name);
  change(json);
  write(name, write_json(json));
}

namespace {

struct Safetensors {
  Json header;
  std::string data;
};

Safetensors parts_of(const std::string& bytes) {
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  return {*parse_json(bytes.substr(8, size), "header"), bytes.substr(8 + size)};
}

std::string bytes_of(const Safetensors& parts) {
  const std::string text = write_json(parts.header);
  const uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + parts.data;
}

}  // namespace

void ToyCopies::change_tensors(
    const std::string& name,
    const std::function<bool(const std::string& tensor, Json& entry, std::string& data)>& change) {
  const Safetensors old = parts_of(read(name));
  Safetensors out;
  for (const auto& [tensor, entry] : old.header.items()) {
    if (tensor == "__metadata__") continue;
    const auto first = entry["data_offsets"][0].get<size_t>();
    const auto last = entry["data_offsets"][1].get<size_t>();
    Json kept = entry;
    std::string data = old.data.substr(first, last - first);
    if (!change(tensor, kept, data)) continue;
    kept["data_offsets"] = {out.data.size(), out.data.size() + data.size()};
    out.header[tensor] = kept;
    out.data += data;
  }
  write(name, bytes_of(out));
}

void ToyCopies::add_tensor(const std::string& name, const std::string& tensor,
                           const std::string& dtype, const std::vector<int64_t>& shape,
                           const std::string& data) {
  Safetensors parts = parts_of(read(name));
  parts.header[tensor] = {{"dtype", dtype},
                          {"shape", shape},
                          {"data_offsets", {parts.data.size(), parts.data.size() + data.size()}}};
  parts.data += data;
  write(name, bytes_of(parts));
}

void ToyCopies::replace(const std::string& name, const std::string& from, const std::string& to) {
  HADAL_CHECK(from.size() == to.size());
  std::string bytes = read(name);
  size_t n = 0;
  for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
    bytes.replace(at, to.size(), to);
    ++n;
  }
  HADAL_CHECK(n > 0);
  write(name, bytes);
}

void ToyCopies::set_gguf_bytes(const std::string& name, const std::string& key, const char* value) {
  std::string bytes = read(name);
  const size_t at = bytes.find(key);
  HADAL_CHECK(at != std::string::npos);
  bytes.replace(at + key.size() + 4, 4, value, 4);  // behind the number of its type
  write(name, bytes);
}

void ToyCopies::hide_gguf_key(const std::string& name, const std::string& key) {
  std::string bytes = read(name);
  const size_t at = bytes.find(key);
  HADAL_CHECK(at != std::string::npos);
  bytes[at + key.size() - 1] = '~';
  write(name, bytes);
}

void ToyCopies::set_bytes(const std::string& name, const std::string& tensor, size_t at,
                          const std::string& bytes) {
  const auto checkpoint = open_checkpoint(*system_files(), path(name), CheckpointOptions(), Log());
  HADAL_CHECK(checkpoint.ok());
  const TensorEntry* entry = (*checkpoint)->manifest().find(tensor);
  HADAL_CHECK(entry != nullptr && at + bytes.size() <= entry->size_bytes);
  const std::string file = (*checkpoint)->files()[static_cast<size_t>(entry->file)]->path();
  std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(entry->offset + at));
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  HADAL_CHECK(out.good());
}

}  // namespace hadal::test
