#include "lib/checkpoint/manifest.hpp"

namespace hadal {

absl::Status Manifest::add(TensorEntry entry) {
  const auto [place, is_new] = by_name_.try_emplace(entry.name, entries_.size());
  if (!is_new) {
    return fail(HADAL_E_FORMAT,
                absl::StrCat("the tensor ", entry.name_in_file, " appears twice (also as ",
                             entries_[place->second].name_in_file, ")"),
                "The file, or a set of shards, is put together wrongly: download it again.");
  }
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

const TensorEntry* Manifest::find(absl::string_view name) const {
  const auto place = by_name_.find(name);
  return place == by_name_.end() ? nullptr : &entries_[place->second];
}

}  // namespace hadal
