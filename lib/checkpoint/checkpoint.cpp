// The list of checkpoint formats, asked in order by the first bytes of the file; a directory is in
// Hugging Face's layout.
#include "lib/checkpoint/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/match.h"
#include "lib/checkpoint/gguf_checkpoint.hpp"
#include "lib/checkpoint/gguf_file.hpp"
#include "lib/checkpoint/hf_checkpoint.hpp"
#include "lib/checkpoint/safetensors_file.hpp"

namespace hadal {
namespace {

// A path as the folder it leads to, with a slash behind it unless it is empty, and the name there.
struct Place {
  std::string directory, name;
};
Place place_of(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return {"", std::string(path)};
  return {std::string(path.substr(0, slash + 1)), std::string(path.substr(slash + 1))};
}

using Opened = absl::StatusOr<std::unique_ptr<Checkpoint>>;

// Any file of a directory in Hugging Face's layout stands for it.
Opened open_beside(FileSystem& files, std::shared_ptr<const File> given,
                   const CheckpointOptions& options, const Log&) {
  const auto [directory, name] = place_of(given->path());
  const bool is_weights = !absl::EndsWith(name, ".json") || absl::EndsWith(name, ".index.json");
  return open_hf_checkpoint(files, directory, is_weights ? name : "", options);
}

// JSON by its first byte, and by the name of a file that has the weights beside it.
bool is_hf_json(absl::string_view path, absl::string_view first_bytes) {
  const std::string name = place_of(path).name;
  return first_bytes[0] == '{' && (name == "config.json" || absl::EndsWith(name, ".index.json"));
}

struct Format {
  bool (*recognises)(absl::string_view path, absl::string_view first_bytes);
  Opened (*open)(FileSystem& files, std::shared_ptr<const File> given,
                 const CheckpointOptions& options, const Log& log);
};
constexpr Format kFormats[] = {
    {[](absl::string_view, absl::string_view begin) { return is_gguf(begin); },
     open_gguf_checkpoint},
    {[](absl::string_view, absl::string_view begin) { return is_safetensors(begin); }, open_beside},
    {is_hf_json, open_beside},
};

// A path that could not be opened as a file may be a directory.
Opened open_directory(FileSystem& files, absl::string_view path, const CheckpointOptions& options,
                      absl::Status as_a_file) {
  if (path.empty()) return as_a_file;
  std::string directory(path);
  if (directory.back() != '/') directory += '/';
  const auto config = files.open(directory + "config.json");
  if (config.ok()) return open_hf_checkpoint(files, directory, "", options);
  const bool is_directory =
      code_of(as_a_file) == HADAL_E_UNSUPPORTED && code_of(config.status()) == HADAL_E_NOT_FOUND;
  if (!is_directory) return as_a_file;
  return fail(HADAL_E_UNSUPPORTED, absl::StrCat(path, ": a directory without config.json"),
              "Give a GGUF file, or a directory as it was published: config.json, safetensors, "
              "tokenizer.json and tokenizer_config.json.");
}

// What a file that is none of ours looks like, for people who gave the wrong one.
absl::string_view hint_for(absl::string_view path, absl::string_view first_bytes) {
  const auto begins = [&](absl::string_view what) {
    return first_bytes.substr(0, what.size()) == what;
  };
  if (begins("{")) {
    return "It looks like JSON. hadal wants the model itself: GGUF files, or a directory with "
           "config.json and safetensors.";
  }
  if (begins("lmgg") || begins("fmgg") || begins("tjgg")) {
    return "It is of a kind that came before GGUF: convert the model again.";
  }
  if (begins("PK")) {
    return "It looks like a PyTorch archive, which hadal does not read: use safetensors or GGUF.";
  }
  if (begins("version https://git-lfs")) {
    return "It is a pointer of git-lfs in the place of the file: fetch the file with git lfs pull.";
  }
  if (path.size() > 5 && path.substr(path.size() - 5) == ".gguf") {
    return "By its name it should be GGUF: the download may have gone wrong, compare its checksum.";
  }
  return "hadal reads the DeepSeek-V3 family from GGUF files and from directories of safetensors.";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> open_checkpoint(FileSystem& files,
                                                            absl::string_view path,
                                                            const CheckpointOptions& options,
                                                            const Log& log) {
  absl::StatusOr<std::shared_ptr<const File>> opened = files.open(path);
  if (!opened.ok()) return open_directory(files, path, options, std::move(opened).status());
  std::shared_ptr<const File> file = *std::move(opened);
  std::array<char, 32> begin = {};
  const size_t n = static_cast<size_t>(std::min<uint64_t>(begin.size(), file->size_bytes()));
  HADAL_RETURN_IF_ERROR(file->read_at(0, std::as_writable_bytes(std::span(begin).first(n))));
  const absl::string_view first_bytes(begin.data(), n);
  if (n < 4) {
    return fail(HADAL_E_FORMAT,
                absl::StrCat(path, ": the file has ", n, " bytes, too few for any checkpoint"),
                "The download or copy broke off at once: do it again.");
  }
  for (const Format& format : kFormats) {
    if (format.recognises(path, first_bytes))
      return format.open(files, std::move(file), options, log);
  }
  return fail(HADAL_E_UNSUPPORTED, absl::StrCat(path, ": not a GGUF file, and no safetensors"),
              hint_for(path, first_bytes));
}

}  // namespace hadal
