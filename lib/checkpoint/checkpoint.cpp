// The list of checkpoint formats, asked in order by the first bytes of the file.
#include "lib/checkpoint/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "lib/checkpoint/gguf_checkpoint.hpp"
#include "lib/checkpoint/gguf_file.hpp"

namespace hadal {
namespace {

struct Format {
  bool (*recognises)(absl::string_view first_bytes);
  absl::StatusOr<std::unique_ptr<Checkpoint>> (*open)(FileSystem& files,
                                                      std::shared_ptr<const File> given,
                                                      const CheckpointOptions& options,
                                                      const Log& log);
};
constexpr Format kFormats[] = {
    {is_gguf, open_gguf_checkpoint},
};

// What a file that is none of ours looks like, for people who gave the wrong one.
absl::string_view hint_for(absl::string_view path, absl::string_view first_bytes) {
  const auto begins = [&](absl::string_view what) {
    return first_bytes.substr(0, what.size()) == what;
  };
  // A length of eight bytes, then JSON.
  if (first_bytes.size() > 8 && first_bytes[8] == '{') {
    return "It looks like safetensors, which this version does not read: convert it to GGUF.";
  }
  if (begins("{")) {
    return "It looks like JSON. hadal wants the model itself, in one or more GGUF files.";
  }
  if (begins("lmgg") || begins("fmgg") || begins("tjgg")) {
    return "It is of a kind that came before GGUF: convert the model again.";
  }
  if (begins("PK")) {
    return "It looks like a PyTorch archive, which hadal does not read: convert it to GGUF.";
  }
  if (begins("version https://git-lfs")) {
    return "It is a pointer of git-lfs in the place of the file: fetch the file with git lfs pull.";
  }
  if (path.size() > 5 && path.substr(path.size() - 5) == ".gguf") {
    return "By its name it should be GGUF: the download may have gone wrong, compare its checksum.";
  }
  return "hadal reads GGUF files of the DeepSeek-V3 family.";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> open_checkpoint(FileSystem& files,
                                                            absl::string_view path,
                                                            const CheckpointOptions& options,
                                                            const Log& log) {
  HADAL_ASSIGN_OR_RETURN(std::shared_ptr<const File> file, files.open(path));
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
    if (format.recognises(first_bytes)) return format.open(files, std::move(file), options, log);
  }
  return fail(HADAL_E_UNSUPPORTED, absl::StrCat(path, ": not a GGUF file"),
              hint_for(path, first_bytes));
}

}  // namespace hadal
