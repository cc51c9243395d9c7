#include "lib/verify/value_scan.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "lib/tensor/block_formats.hpp"

namespace hadal {
namespace {

// What a thread decodes at a time: a whole number of blocks of every type.
constexpr uint64_t kSliceElements = uint64_t{1} << 15;

struct Seen {
  uint64_t n_bad = 0, first_bad = UINT64_MAX;
  float bad_value = 0.0f;
  bool has_nonzero = false;
};

Seen look(DType dtype, const std::byte* bytes, uint64_t n) {
  std::vector<float> values(n);
  decode_row(dtype, bytes, static_cast<int64_t>(n), values.data());
  Seen seen;
  for (uint64_t i = 0; i < n; ++i) {
    if (values[i] != 0.0f) seen.has_nonzero = true;
    if (std::isfinite(values[i])) continue;
    if (seen.n_bad++ == 0) {
      seen.first_bad = i;
      seen.bad_value = values[i];
    }
  }
  return seen;
}

}  // namespace

ValueScan::ValueScan(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {
  for (const TensorEntry& entry : checkpoint.manifest().entries()) {
    // Others are none of the model's; scales have a check of their own.
    if (!info(entry.dtype).is_weight || absl::EndsWith(entry.name, ".weight_scale_inv")) continue;
    entries_.push_back(&entry);
    bytes_total_ += entry.size_bytes;
    largest_ = std::max(largest_, entry.size_bytes);
  }
  std::stable_sort(entries_.begin(), entries_.end(), [](const auto* a, const auto* b) {
    return std::pair(a->file, a->offset) < std::pair(b->file, b->offset);
  });
}

absl::Status ValueScan::step(Memory& memory, Executor& executor, Findings& findings) {
  HADAL_CHECK(!done());
  const TensorEntry& entry = *entries_[next_];
  const DTypeInfo& type = info(entry.dtype);
  const uint64_t slice_bytes = static_cast<uint64_t>(row_bytes(entry.dtype, kSliceElements));
  HADAL_CHECK(kSliceElements % static_cast<uint64_t>(type.block_elements) == 0);
  const uint64_t most = kPieceBytes / slice_bytes * slice_bytes;
  const uint64_t n = std::min(most, entry.size_bytes - at_);
  if (piece_.size() < n) {
    HADAL_ASSIGN_OR_RETURN(piece_,
                           memory.allocate(std::min(kPieceBytes, largest_), MemoryTag::kStaging));
  }
  const File& file = *checkpoint_.files()[static_cast<size_t>(entry.file)];
  const absl::Status read = file.read_at(entry.offset + at_, piece_.bytes().first(n));
  if (read.ok()) {
    look_at(piece_.data(), n, executor);
    at_ += n;
    bytes_done_ += n;
    if (at_ < entry.size_bytes) return absl::OkStatus();
    finish_tensor(findings);
  } else {
    findings.error(prefix(entry.name_in_file, read));
    bytes_done_ += entry.size_bytes - at_;
  }
  at_ = 0;
  n_bad_ = 0;
  first_bad_ = UINT64_MAX;
  has_nonzero_ = false;
  if (++next_ == entries_.size()) piece_.reset();
  return absl::OkStatus();
}

void ValueScan::look_at(const std::byte* bytes, uint64_t n_bytes, Executor& executor) {
  const TensorEntry& entry = *entries_[next_];
  const DTypeInfo& type = info(entry.dtype);
  const auto elements_of = [&](uint64_t n) {
    return n / static_cast<uint64_t>(type.block_bytes) * static_cast<uint64_t>(type.block_elements);
  };
  const uint64_t slice_bytes = static_cast<uint64_t>(row_bytes(entry.dtype, kSliceElements));
  const auto n_slices = static_cast<size_t>((n_bytes + slice_bytes - 1) / slice_bytes);
  std::vector<Seen> seen(n_slices);
  executor.parallel_for(n_slices, [&](size_t i) {
    const uint64_t first = i * slice_bytes;
    seen[i] = look(entry.dtype, bytes + first, elements_of(std::min(slice_bytes, n_bytes - first)));
  });
  for (size_t i = 0; i < n_slices; ++i) {
    has_nonzero_ = has_nonzero_ || seen[i].has_nonzero;
    if (seen[i].n_bad > 0 && n_bad_ == 0) {
      first_bad_ = elements_of(at_ + i * slice_bytes) + seen[i].first_bad;
      bad_value_ = seen[i].bad_value;
    }
    n_bad_ += seen[i].n_bad;
  }
}

void ValueScan::finish_tensor(Findings& findings) {
  const TensorEntry& entry = *entries_[next_];
  const std::string where =
      absl::StrCat(checkpoint_.files()[static_cast<size_t>(entry.file)]->path(), ": the tensor ",
                   entry.name_in_file, " (", name(entry.dtype), ")");
  if (n_bad_ > 0) {
    findings.error(
        absl::StrCat(where, " holds ", n_bad_, " numbers that are not finite, the first ",
                     bad_value_, " at element ", first_bad_),
        "The file is damaged, or was converted through a type too narrow: compare its "
        "checksum, convert or download it again.");
  } else if (!has_nonzero_ && !absl::EndsWith(entry.name, ".e_score_correction_bias")) {
    findings.error(absl::StrCat(where, " is nothing but zeros"),
                   "A download that broke off leaves such holes: compare the file's checksum, "
                   "download it again.");
  }
}

}  // namespace hadal
