#include "lib/checkpoint/safetensors_set.hpp"

#include <optional>
#include <utility>

#include "lib/base/hash_map.hpp"
#include "lib/checkpoint/header_reader.hpp"

namespace hadal {

absl::StatusOr<SafetensorsSet> read_safetensors_set(FileSystem& files, const std::string& directory,
                                                    const SafetensorsIndex& index,
                                                    const std::string& index_path,
                                                    const CheckpointOptions& options) {
  HashMap<std::string, size_t> file_of;  // by tensor; taken out once found
  for (const auto& [name, file] : index.tensors) file_of.try_emplace(name, file);

  SafetensorsTotals totals;
  SafetensorsSet set;
  std::vector<bool> is_missing(index.files.size());
  for (size_t i = 0; i < index.files.size(); ++i) {
    const std::string context = absl::StrCat("file ", i + 1, " of ", index.files.size());
    absl::StatusOr<std::shared_ptr<const File>> file = files.open(directory + index.files[i]);
    if (!file.ok()) {
      is_missing[i] = code_of(file.status()) == HADAL_E_NOT_FOUND;
      const bool is_the_last_hope = set.files.empty() && i + 1 == index.files.size();
      if (!is_missing[i] || !options.allow_missing_files || is_the_last_hope)
        return prefix(context, file.status());
      set.missing.push_back(directory + index.files[i]);
      continue;
    }
    absl::StatusOr<SafetensorsFile> shard =
        read_safetensors_file(*std::move(file), options, totals);
    if (!shard.ok()) return prefix(context, shard.status());
    // A tensor that the index does not name, or names in another file, is none of the model.
    std::erase_if(shard->tensors, [&](const SafetensorsTensor& tensor) {
      const auto place = file_of.find(tensor.name);
      if (place == file_of.end() || place->second != i) return true;
      file_of.erase(place);
      return false;
    });
    set.files.push_back(*std::move(shard));
  }
  for (const auto& [name, file] : index.tensors) {
    if (file_of.find(name) == file_of.end() || is_missing[file]) continue;
    return fail(HADAL_E_FORMAT,
                absl::StrCat(index_path, ": the tensor ", printable(name), " should lie in ",
                             index.files[file], ", which does not have it"),
                "Index and files do not belong together: download the set again.");
  }
  return set;
}

}  // namespace hadal
