#include "lib/checkpoint/gguf_set.hpp"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace hadal {
namespace {

// "<prefix>-00002-of-00003.gguf"
struct ShardName {
  absl::string_view prefix;
  int64_t number = 0;  // from 1
  int64_t count = 0;
};

// Takes a number of exactly five digits off the end.
std::optional<int64_t> take_five_digits(absl::string_view* text) {
  if (text->size() < 5) return std::nullopt;
  const absl::string_view digits = text->substr(text->size() - 5);
  int64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text->remove_suffix(5);
  return value;
}

std::optional<ShardName> parse_shard_name(absl::string_view path) {
  if (!absl::ConsumeSuffix(&path, ".gguf")) return std::nullopt;
  const std::optional<int64_t> count = take_five_digits(&path);
  if (!count || !absl::ConsumeSuffix(&path, "-of-")) return std::nullopt;
  const std::optional<int64_t> number = take_five_digits(&path);
  if (!number || !absl::ConsumeSuffix(&path, "-")) return std::nullopt;
  return ShardName{path, *number, *count};
}

std::string five_digits(int64_t number) {
  const std::string digits = absl::StrCat(number);
  return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

absl::Status mismatch(const GgufFile& shard, absl::string_view key, absl::string_view wanted,
                      std::optional<int64_t> found) {
  return fail(HADAL_E_FORMAT,
              absl::StrCat(shard.file->path(), ": ", key, ": wanted ", wanted, ", found ",
                           found ? absl::StrCat(*found) : "no such key"),
              "The shards do not belong together, or one was renamed: download the set again.");
}

// What a shard says of itself, compared with its place in the set.
absl::Status check_shard(const GgufFile& shard, int64_t number, int64_t count) {
  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> own_count,
                         shard.metadata.integer("split.count"));
  if (own_count != count) return mismatch(shard, "split.count", absl::StrCat(count), own_count);
  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> own_number,
                         shard.metadata.integer("split.no"));
  if (own_number != number - 1) {
    return mismatch(shard, "split.no", absl::StrCat(number - 1, ", as its name says"), own_number);
  }
  return absl::OkStatus();
}

// A file that says it is no shard, or nothing: it then holds all the tensors it speaks of.
absl::Status check_whole(const GgufFile& file) {
  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> announced,
                         file.metadata.integer("split.tensors.count"));
  const auto n_tensors = static_cast<int64_t>(file.tensors.size());
  if (!announced || *announced == n_tensors) return absl::OkStatus();
  return mismatch(
      file, "split.tensors.count",
      absl::StrCat(n_tensors, ", the tensors of this file, which is no shard by its split.count"),
      announced);
}

absl::Status check_tensor_count(const std::vector<GgufFile>& shards) {
  int64_t n_tensors = 0;
  for (const GgufFile& shard : shards) n_tensors += static_cast<int64_t>(shard.tensors.size());
  for (const GgufFile& shard : shards) {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> announced,
                           shard.metadata.integer("split.tensors.count"));
    if (announced != n_tensors) {
      return mismatch(shard, "split.tensors.count",
                      absl::StrCat(n_tensors, ", the tensors of all shards together"), announced);
    }
  }
  return absl::OkStatus();
}

// A file under a name that does not say where the others are.
absl::StatusOr<GgufSet> alone(GgufFile file, int64_t count) {
  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> place, file.metadata.integer("split.no"));
  if (!place || *place < 0 || *place >= count)
    return mismatch(file, "split.no", absl::StrCat("0 to ", count - 1), place);
  GgufSet set;
  for (int64_t i = 0; i < count; ++i) {
    if (i != *place) set.missing.push_back(absl::StrCat("file ", i + 1, " of ", count));
  }
  set.has_first = *place == 0;
  set.files.push_back(std::move(file));
  return set;
}

}  // namespace

absl::StatusOr<GgufSet> read_gguf_set(FileSystem& files, std::shared_ptr<const File> given,
                                      const CheckpointOptions& options) {
  GgufTotals totals;
  const std::string path = given->path();
  HADAL_ASSIGN_OR_RETURN(GgufFile first_read, read_gguf_file(std::move(given), options, totals));
  GgufSet set;
  std::vector<GgufFile>& shards = set.files;
  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> split_count,
                         first_read.metadata.integer("split.count"));
  const int64_t count = split_count.value_or(1);
  if (count == 0 || count == 1) {  // merging a set leaves a 0 behind
    HADAL_RETURN_IF_ERROR(check_whole(first_read));
    shards.push_back(std::move(first_read));
    return set;
  }
  if (count < 0) return mismatch(first_read, "split.count", "a number of files", count);
  if (static_cast<uint64_t>(count) > options.limit_shards) {
    return fail(HADAL_E_LIMIT,
                absl::StrCat(path, ": split.count: ", count, " files; at most ",
                             options.limit_shards, " are allowed"),
                "If the set is trustworthy, raise the option limit_shards.");
  }

  const std::optional<ShardName> name = parse_shard_name(path);
  if (!name || name->count != count || name->number < 1 || name->number > count) {
    if (options.allow_missing_files) return alone(std::move(first_read), count);
    return fail(HADAL_E_FORMAT,
                absl::StrCat(path, ": one of ", count,
                             " files (split.count), so wanted a name "
                             "that ends in -00001-of-",
                             five_digits(count), ".gguf or the like"),
                "Give the files of the set back the names they were published under.");
  }
  HADAL_RETURN_IF_ERROR(check_shard(first_read, name->number, count));

  shards.reserve(static_cast<size_t>(count));
  for (int64_t number = 1; number <= count; ++number) {
    if (number == name->number) {
      shards.push_back(std::move(first_read));
      continue;
    }
    const std::string context = absl::StrCat("shard ", number, " of ", count);
    std::string other =
        absl::StrCat(name->prefix, "-", five_digits(number), "-of-", five_digits(count), ".gguf");
    absl::StatusOr<std::shared_ptr<const File>> file = files.open(other);
    if (!file.ok()) {
      const bool is_missing = code_of(file.status()) == HADAL_E_NOT_FOUND;
      if (!is_missing || !options.allow_missing_files) return prefix(context, file.status());
      if (number == 1) set.has_first = false;
      set.missing.push_back(std::move(other));
      continue;
    }
    absl::StatusOr<GgufFile> shard = read_gguf_file(*std::move(file), options, totals);
    if (!shard.ok()) return prefix(context, shard.status());
    HADAL_RETURN_IF_ERROR(check_shard(*shard, number, count));
    shards.push_back(*std::move(shard));
  }
  if (set.missing.empty()) HADAL_RETURN_IF_ERROR(check_tensor_count(shards));
  return set;
}

}  // namespace hadal
