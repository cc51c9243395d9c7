// Copies of toys in a folder of their own, for tests that damage or divide them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "lib/base/json.hpp"
#include "lib/checkpoint/checkpoint.hpp"

namespace hadal::test {

// A folder that goes with the test, and files in it.
class ToyCopies {
 public:
  ToyCopies();
  ~ToyCopies();
  ToyCopies(const ToyCopies&) = delete;
  ToyCopies& operator=(const ToyCopies&) = delete;

  // A path in the folder; `name` as a whole for the folder itself.
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  // A file or a directory below tests/golden/toys, as `name` in the folder. Its path.
  std::string copy(const std::string& toy, const std::string& name);
  std::string copy_file(const std::string& from, const std::string& name);

  // Shows every tensor of a safetensors file, which may change its entry in the header and its
  // data, or return false to have it left out.
  void change_tensors(
      const std::string& name,
      const std::function<bool(const std::string& tensor, Json& entry, std::string& data)>& change);
  void keep_tensors(const std::string& name, const std::function<bool(const std::string&)>& keep) {
    change_tensors(name,
                   [&](const std::string& tensor, Json&, std::string&) { return keep(tensor); });
  }
  void add_tensor(const std::string& name, const std::string& tensor, const std::string& dtype,
                  const std::vector<int64_t>& shape, const std::string& data);
  void change_json(const std::string& name, const std::function<void(Json&)>& change);
  // Writes over a number of a GGUF file's metadata, of 4 bytes: its key is looked for.
  template <class Number>
  void set_gguf(const std::string& name, const std::string& key, Number value) {
    static_assert(sizeof value == 4);
    set_gguf_bytes(name, key, reinterpret_cast<const char*>(&value));
  }
  // Makes a key one that nobody knows.
  void hide_gguf_key(const std::string& name, const std::string& key);

  // Writes over bytes of a tensor (hadal's name), from `at` on.
  template <class Number>
  void set_element(const std::string& name, const std::string& tensor, size_t index, Number value) {
    set_bytes(name, tensor, index * sizeof value,
              {reinterpret_cast<const char*>(&value), sizeof value});
  }
  void set_bytes(const std::string& name, const std::string& tensor, size_t at,
                 const std::string& bytes);

  // Replaces a text wherever it stands in a file, by one as long.
  void replace(const std::string& name, const std::string& from, const std::string& to);

  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& bytes) const;

 private:
  void set_gguf_bytes(const std::string& name, const std::string& key, const char* value);
  std::string folder_;
};

}  // namespace hadal::test
