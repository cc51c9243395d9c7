#include "lib/checkpoint/safetensors_index.hpp"

#include <algorithm>

#include "absl/strings/match.h"
#include "lib/base/hash_map.hpp"
#include "lib/base/json.hpp"
#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

constexpr int kMostDepth = 64;
constexpr size_t kMaxNameBytes = 1024;

constexpr absl::string_view kDamaged =
    "The index is damaged or was written wrongly: download it again.";

// A file of the folder itself, whatever the system makes of slashes, colons and dots.
bool is_plain_file_name(absl::string_view name) {
  if (name.empty() || name.size() > 255 || name[0] == '.') return false;
  for (const char c : name) {
    if ((c >= 0 && c < 0x20) || c == 0x7f || c == '/' || c == '\\' || c == ':') return false;
  }
  return absl::EndsWith(name, ".safetensors");
}

class IndexVisitor final : public JsonVisitor {
 public:
  IndexVisitor(const std::string& path, const CheckpointOptions& options)
      : path_(path), options_(options) {}

  absl::StatusOr<SafetensorsIndex> take() {
    if (!saw_map_) return wrong("wanted the key weight_map, found none");
    if (index_.tensors.empty()) return wrong("weight_map: wanted tensors, found none");
    // Sorted, so that shards are opened and read in order.
    std::vector<size_t> order(index_.files.size()), place(order.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return index_.files[a] < index_.files[b]; });
    std::vector<std::string> files;
    for (size_t i = 0; i < order.size(); ++i) {
      place[order[i]] = i;
      files.push_back(std::move(index_.files[order[i]]));
    }
    index_.files = std::move(files);
    for (auto& [name, file] : index_.tensors) file = place[file];
    return std::move(index_);
  }

  absl::Status begin_object() override { return begin(); }
  absl::Status begin_array() override {
    if (depth_ == 0) return no_object();
    return in_map_ ? no_map() : begin();
  }
  absl::Status end_object() override { return end(); }
  absl::Status end_array() override { return end(); }

  absl::Status key(absl::string_view key) override {
    if (depth_ == 1) {
      in_map_ = key == "weight_map";
      if (in_map_ && saw_map_) return wrong("weight_map is given twice");
      saw_map_ |= in_map_;
      return absl::OkStatus();
    }
    if (!in_map_) return absl::OkStatus();
    if (key.empty() || key.size() > kMaxNameBytes) {
      return wrong(absl::StrCat("weight_map: a tensor's name (", printable(key), "): wanted 1 to ",
                                kMaxNameBytes, " bytes, found ", key.size()));
    }
    if (index_.tensors.size() >= options_.limit_tensors) {
      return fail(HADAL_E_LIMIT,
                  absl::StrCat(path_, ": more than ", options_.limit_tensors, " tensors"),
                  "If the checkpoint is trustworthy, raise the option limit_tensors.");
    }
    if (!names_.try_emplace(std::string(key), true).second) {
      return wrong(absl::StrCat("weight_map: the tensor ", printable(key), " is given twice"));
    }
    name_ = std::string(key);
    return absl::OkStatus();
  }

  absl::Status text(absl::string_view value) override {
    if (!in_map_) return depth_ == 0 ? no_object() : absl::OkStatus();
    if (depth_ != 2) return no_map();
    if (!is_plain_file_name(value)) {
      return wrong(absl::StrCat("weight_map: ", printable(name_), " lies in ", printable(value),
                                "; wanted the plain name of a .safetensors file of this folder"));
    }
    auto place = file_numbers_.find(value);
    if (place == file_numbers_.end()) {
      if (index_.files.size() >= options_.limit_shards) {
        return fail(HADAL_E_LIMIT,
                    absl::StrCat(path_, ": more than ", options_.limit_shards, " files"),
                    "If the checkpoint is trustworthy, raise the option limit_shards.");
      }
      place = file_numbers_.try_emplace(std::string(value), index_.files.size()).first;
      index_.files.emplace_back(value);
    }
    index_.tensors.emplace_back(name_, place->second);
    return absl::OkStatus();
  }

  absl::Status whole_number(uint64_t) override { return other_value(); }
  absl::Status other_value() override {
    if (depth_ == 0) return no_object();
    return in_map_ ? no_map() : absl::OkStatus();
  }

 private:
  absl::Status begin() {
    if (in_map_ && depth_ != 1) return no_map();
    if (++depth_ > kMostDepth) {
      return wrong(absl::StrCat("JSON nested deeper than ", kMostDepth, " levels"));
    }
    return absl::OkStatus();
  }
  absl::Status end() {
    if (--depth_ == 1) in_map_ = false;
    return absl::OkStatus();
  }

  absl::Status no_object() const { return wrong("wanted an object"); }
  absl::Status no_map() const {
    return wrong("weight_map: wanted an object of tensors' names and files");
  }
  absl::Status wrong(absl::string_view what) const {
    return fail(HADAL_E_FORMAT, absl::StrCat(path_, ": ", what), kDamaged);
  }

  const std::string& path_;
  const CheckpointOptions& options_;
  SafetensorsIndex index_;
  HashMap<std::string, bool> names_;
  HashMap<std::string, size_t> file_numbers_;
  std::string name_;
  int depth_ = 0;
  bool in_map_ = false, saw_map_ = false;
};

}  // namespace

absl::StatusOr<SafetensorsIndex> read_safetensors_index(absl::string_view text,
                                                        const std::string& path,
                                                        const CheckpointOptions& options) {
  IndexVisitor visitor(path, options);
  HADAL_RETURN_IF_ERROR(walk_json(text, path, visitor));
  return visitor.take();
}

}  // namespace hadal
