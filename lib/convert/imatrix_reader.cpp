// Reads importance matrices. Nothing of a file is believed: every count is compared with the bytes
// that are there before memory is taken for it, and every number must be finite and not negative.
#include <cmath>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/checkpoint/gguf_file.hpp"
#include "lib/convert/imatrix_file.hpp"

namespace hadal {

class ImatrixReader {
 public:
  ImatrixReader(std::shared_ptr<const File> file, const CheckpointOptions& limits)
      : file_(std::move(file)), limits_(limits) {}

  absl::StatusOr<Imatrix> read() {
    char magic[4] = {};
    if (file_->size_bytes() < sizeof magic) return damaged("it is too short");
    HADAL_RETURN_IF_ERROR(file_->read_at(0, std::as_writable_bytes(std::span(magic))));
    HADAL_RETURN_IF_ERROR(is_gguf(absl::string_view(magic, 4)) ? read_gguf() : read_dat());
    if (imatrix_.size() == 0) return damaged("it has no entries");
    imatrix_.file_ = file_->path();
    return std::move(imatrix_);
  }

 private:
  absl::Status damaged(absl::string_view what) const {
    return fail(HADAL_E_FORMAT, absl::StrCat(file_->path(), ": ", what),
                "Give an importance matrix as hadal imatrix or llama-imatrix write it; make it "
                "again if it was cut off.");
  }

  absl::Status floats(uint64_t at, size_t n, absl::string_view tensor, std::vector<float>& to) {
    to.resize(n);
    HADAL_RETURN_IF_ERROR(file_->read_at(at, std::as_writable_bytes(std::span(to))));
    for (const float x : to) {
      if (std::isfinite(x) && x >= 0.0f) continue;
      return damaged(absl::StrCat(tensor, " has a value that is negative or not finite"));
    }
    return absl::OkStatus();
  }

  // ---- GGUF
  // ---------------------------------------------------------------------------------------

  absl::Status read_gguf() {
    GgufTotals totals;
    HADAL_ASSIGN_OR_RETURN(const GgufFile gguf, read_gguf_file(file_, limits_, totals));
    HADAL_ASSIGN_OR_RETURN(const std::optional<std::string> type,
                           gguf.metadata.text("general.type"));
    if (type != "imatrix") {
      return fail(HADAL_E_UNSUPPORTED,
                  absl::StrCat(file_->path(),
                               ": a GGUF file, but no importance matrix: "
                               "general.type is ",
                               type ? absl::StrCat("\"", *type, "\"") : "absent"),
                  "Give a file that hadal imatrix or llama-imatrix wrote.");
    }
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> chunk_size,
                           gguf.metadata.integer("imatrix.chunk_size"));
    if (chunk_size) {
      if (*chunk_size < 1 || *chunk_size > INT32_MAX) return damaged("imatrix.chunk_size");
      imatrix_.chunk_size = static_cast<uint32_t>(*chunk_size);
    }
    HADAL_ASSIGN_OR_RETURN(const GgufArray* names, gguf.metadata.strings("imatrix.datasets"));
    if (names != nullptr) {
      GgufElements elements(*names);
      while (const auto name = elements.next_string()) imatrix_.datasets.emplace_back(*name);
    }
    HashMap<std::string, const GgufTensor*> counts;
    for (const GgufTensor& tensor : gguf.tensors) {
      absl::string_view weight = tensor.name;
      if (absl::ConsumeSuffix(&weight, ".counts")) counts.emplace(weight, &tensor);
    }
    for (const GgufTensor& tensor : gguf.tensors) {
      absl::string_view weight = tensor.name;
      if (!absl::ConsumeSuffix(&weight, ".in_sum2")) continue;  // newer files have sums besides
      const auto of_weight = counts.find(weight);
      if (of_weight == counts.end()) {
        return damaged(absl::StrCat(tensor.name, " has no counts beside it"));
      }
      HADAL_RETURN_IF_ERROR(take(weight, tensor, *of_weight->second));
    }
    return absl::OkStatus();
  }

  absl::Status take(absl::string_view weight, const GgufTensor& sums, const GgufTensor& counts) {
    if (sums.dtype != DType::kF32 || counts.dtype != DType::kF32) {
      return damaged(absl::StrCat(weight, ": sums and counts have to be f32"));
    }
    Imatrix::Entry entry;
    entry.cols = sums.shape.back();
    const size_t n = sums.size_bytes / sizeof(float);
    entry.slices = static_cast<int64_t>(n) / entry.cols;
    const size_t n_counts = counts.size_bytes / sizeof(float);
    if (n_counts != 1 && n_counts != static_cast<size_t>(entry.slices)) {
      return damaged(
          absl::StrCat(weight, " has ", entry.slices, " slices, but ", n_counts, " counts"));
    }
    std::vector<float> of_slices;
    HADAL_RETURN_IF_ERROR(floats(counts.offset, n_counts, counts.name, of_slices));
    HADAL_RETURN_IF_ERROR(floats(sums.offset, n, sums.name, entry.means));
    of_slices.resize(static_cast<size_t>(entry.slices), of_slices.front());
    entry.counts.assign(of_slices.begin(), of_slices.end());
    for (size_t i = 0; i < n; ++i) {
      const float count = of_slices[i / static_cast<size_t>(entry.cols)];
      entry.means[i] = count > 0.0f ? entry.means[i] / count : 1.0f;
      if (!std::isfinite(entry.means[i])) {
        return damaged(absl::StrCat(weight, " has a count that is next to nothing"));
      }
    }
    return imatrix_.combine(weight, std::move(entry));
  }

  // ---- .dat
  // ---------------------------------------------------------------------------------------

  uint64_t left() const { return file_->size_bytes() - at_; }

  absl::Status number(int32_t& to, absl::string_view what) {
    if (left() < sizeof to) return damaged(absl::StrCat("it ends before ", what));
    HADAL_RETURN_IF_ERROR(file_->read_at(at_, std::as_writable_bytes(std::span(&to, 1))));
    at_ += sizeof to;
    return absl::OkStatus();
  }

  absl::Status text(std::string& to, absl::string_view what) {
    int32_t n = 0;
    HADAL_RETURN_IF_ERROR(number(n, absl::StrCat("the length of ", what)));
    if (n < 0 || static_cast<uint64_t>(n) > left()) {
      return damaged(absl::StrCat(what, " of ", n, " bytes, where ", left(), " are left"));
    }
    if (static_cast<uint64_t>(n) > limits_.limit_string_bytes) {
      return fail(HADAL_E_LIMIT, absl::StrCat(file_->path(), ": ", what, " of ", n, " bytes"),
                  "Raise the option limit_string_bytes.");
    }
    to.resize(static_cast<size_t>(n));
    HADAL_RETURN_IF_ERROR(
        file_->read_at(at_, std::as_writable_bytes(std::span(to.data(), to.size()))));
    at_ += to.size();
    return absl::OkStatus();
  }

  absl::Status read_dat() {
    int32_t n_entries = 0;
    HADAL_RETURN_IF_ERROR(number(n_entries, "the number of entries"));
    // An entry takes 16 bytes at least.
    if (n_entries < 1 || static_cast<uint64_t>(n_entries) > left() / 16) {
      return damaged(absl::StrCat("no importance matrix: ", n_entries, " entries in ",
                                  file_->size_bytes(), " bytes"));
    }
    if (static_cast<uint64_t>(n_entries) > limits_.limit_tensors) {
      return fail(HADAL_E_LIMIT, absl::StrCat(file_->path(), ": ", n_entries, " entries"),
                  "Raise the option limit_tensors.");
    }
    for (int32_t i = 0; i < n_entries; ++i) HADAL_RETURN_IF_ERROR(read_dat_entry());
    if (left() == 0) return absl::OkStatus();  // as older ones end
    int32_t n_chunks = 0;
    std::string name;
    HADAL_RETURN_IF_ERROR(number(n_chunks, "the number of chunks"));
    HADAL_RETURN_IF_ERROR(text(name, "a name of a text"));
    if (!name.empty()) imatrix_.datasets.push_back(std::move(name));
    return left() == 0 ? absl::OkStatus() : damaged("something stands behind its end");
  }

  absl::Status read_dat_entry() {
    std::string name;
    HADAL_RETURN_IF_ERROR(text(name, "a name"));
    int32_t calls = 0, n = 0;
    HADAL_RETURN_IF_ERROR(number(calls, name));
    HADAL_RETURN_IF_ERROR(number(n, name));
    if (name.empty() || calls < 0 || n < 1 || static_cast<uint64_t>(n) > left() / sizeof(float)) {
      return damaged(absl::StrCat("entry \"", name, "\" of ", n, " values and ", calls,
                                  " calls, where ", left(), " bytes are left"));
    }
    if (!imatrix_.find(name).empty()) {
      return damaged(absl::StrCat("\"", name, "\" comes twice"));
    }
    Imatrix::Entry entry;
    HADAL_RETURN_IF_ERROR(floats(at_, static_cast<size_t>(n), name, entry.means));
    at_ += static_cast<uint64_t>(n) * sizeof(float);
    entry.cols = n;
    if (calls > 0) {
      for (float& x : entry.means) x /= static_cast<float>(calls);
    }
    entry.counts = {static_cast<double>(calls) * imatrix_.chunk_size};
    return imatrix_.combine(name, std::move(entry));
  }

  std::shared_ptr<const File> file_;
  const CheckpointOptions& limits_;
  uint64_t at_ = 0;  // of a .dat file
  Imatrix imatrix_;
};

absl::StatusOr<Imatrix> Imatrix::read(FileSystem& files, absl::string_view path,
                                      const CheckpointOptions& limits) {
  HADAL_ASSIGN_OR_RETURN(std::shared_ptr<const File> file, files.open(path));
  return parse(std::move(file), limits);
}

absl::StatusOr<Imatrix> Imatrix::parse(std::shared_ptr<const File> file,
                                       const CheckpointOptions& limits) {
  return ImatrixReader(std::move(file), limits).read();
}

}  // namespace hadal
