#include "lib/convert/imatrix_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace hadal {
namespace {

constexpr uint64_t kAlignment = 32;  // GGUF's, unless a file says otherwise

std::span<const std::byte> bytes_of(absl::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)};
}

template <class T>
void put(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_gguf_text(std::string& to, absl::string_view text) {
  put(to, static_cast<uint64_t>(text.size()));
  absl::StrAppend(&to, text);
}

void put_dat_text(std::string& to, absl::string_view text) {
  put(to, static_cast<int32_t>(text.size()));
  absl::StrAppend(&to, text);
}

uint64_t aligned(uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

std::span<const float> Imatrix::find(absl::string_view tensor) const {
  const auto found = entries_.find(tensor);
  if (found == entries_.end()) return {};
  return found->second.means;
}

ImportanceSource Imatrix::source() const {
  return {file_, absl::StrJoin(datasets, ","), static_cast<int32_t>(entries_.size()),
          static_cast<int32_t>(n_chunks())};
}

absl::Status Imatrix::add(absl::string_view tensor, int64_t cols, std::span<const double> squares,
                          std::span<const uint64_t> counts) {
  Entry entry;
  entry.slices = static_cast<int64_t>(counts.size());
  entry.cols = cols;
  HADAL_CHECK(cols > 0 && static_cast<int64_t>(squares.size()) == entry.slices * cols);
  entry.means.resize(squares.size());
  for (size_t i = 0; i < squares.size(); ++i) {
    const uint64_t n = counts[i / static_cast<size_t>(cols)];
    entry.means[i] = n == 0 ? 1.0f : static_cast<float>(squares[i] / static_cast<double>(n));
  }
  for (const uint64_t n : counts) entry.counts.push_back(static_cast<double>(n));
  return combine(tensor, std::move(entry));
}

absl::Status Imatrix::combine(absl::string_view tensor, Entry entry) {
  const auto found = entries_.find(tensor);
  if (found == entries_.end()) {
    entries_.emplace(tensor, std::move(entry));
    return absl::OkStatus();
  }
  Entry& mine = found->second;
  const size_t slices = mine.counts.size(), more = entry.counts.size();
  const bool same_slices = slices == more || slices == 1 || more == 1;
  if (mine.means.size() != entry.means.size() || !same_slices) {
    return fail(HADAL_E_FORMAT,
                absl::StrCat(tensor, " has ", mine.means.size(),
                             " columns over all slices in one "
                             "importance matrix and ",
                             entry.means.size(), " in another"),
                "Only matrices of the same model can be added up.");
  }
  // A .dat file does not tell slices apart.
  if (slices < more) std::swap(mine, entry);
  entry.counts.resize(mine.counts.size(), entry.counts.front());
  mine.slices = static_cast<int64_t>(mine.counts.size());
  mine.cols = static_cast<int64_t>(mine.means.size()) / mine.slices;
  for (size_t i = 0; i < mine.means.size(); ++i) {
    const size_t slice = i / static_cast<size_t>(mine.cols);
    const double n = mine.counts[slice], n_more = entry.counts[slice];
    if (n + n_more == 0.0) continue;
    mine.means[i] = static_cast<float>(
        (n * static_cast<double>(mine.means[i]) + n_more * static_cast<double>(entry.means[i])) /
        (n + n_more));
  }
  for (size_t s = 0; s < mine.counts.size(); ++s) mine.counts[s] += entry.counts[s];
  return absl::OkStatus();
}

absl::Status Imatrix::merge(const Imatrix& other) {
  for (const auto& [tensor, entry] : other.entries_) {
    HADAL_RETURN_IF_ERROR(combine(tensor, entry));
  }
  for (const std::string& name : other.datasets) add_dataset(name);
  return absl::OkStatus();
}

void Imatrix::add_dataset(const std::string& name) {
  if (std::find(datasets.begin(), datasets.end(), name) == datasets.end()) {
    datasets.push_back(name);
  }
}

uint64_t Imatrix::most_rows() const {
  double most = 0.0;
  for (const auto& [tensor, entry] : entries_) {
    most = std::max(most, *std::max_element(entry.counts.begin(), entry.counts.end()));
  }
  return static_cast<uint64_t>(most);
}

int64_t Imatrix::n_empty_slices() const {
  int64_t n = 0;
  for (const auto& [tensor, entry] : entries_) {
    n += std::count(entry.counts.begin(), entry.counts.end(), 0.0);
  }
  return n;
}

uint32_t Imatrix::n_chunks() const {
  const uint64_t n = (most_rows() + chunk_size / 2) / std::max(1u, chunk_size);
  return static_cast<uint32_t>(std::clamp<uint64_t>(n, 1, INT32_MAX));
}

absl::Status Imatrix::write_gguf(const Sink& sink) const {
  std::string header = "GGUF";
  put(header, uint32_t{3});
  put(header, static_cast<uint64_t>(2 * entries_.size()));
  constexpr uint32_t kUint32 = 4, kString = 8, kArray = 9;
  put(header, uint64_t{4});
  put_gguf_text(header, "general.type");
  put(header, kString);
  put_gguf_text(header, "imatrix");
  put_gguf_text(header, "imatrix.datasets");
  put(header, kArray);
  put(header, kString);
  put(header, static_cast<uint64_t>(datasets.size()));
  for (const std::string& name : datasets) put_gguf_text(header, name);
  put_gguf_text(header, "imatrix.chunk_count");
  put(header, kUint32);
  put(header, n_chunks());
  put_gguf_text(header, "imatrix.chunk_size");
  put(header, kUint32);
  put(header, chunk_size);

  uint64_t offset = 0;
  const auto line = [&](const std::string& name, size_t cols, size_t slices) {
    put_gguf_text(header, name);
    put(header, uint32_t{2});
    put(header, static_cast<uint64_t>(cols));
    put(header, static_cast<uint64_t>(slices));
    put(header, uint32_t{0});  // f32
    put(header, offset);
    offset += aligned(cols * slices * sizeof(float));
  };
  for (const auto& [tensor, entry] : entries_) {
    line(absl::StrCat(tensor, ".in_sum2"), static_cast<size_t>(entry.cols), entry.counts.size());
    line(absl::StrCat(tensor, ".counts"), 1, entry.counts.size());
  }
  header.resize(aligned(header.size()));
  HADAL_RETURN_IF_ERROR(sink(bytes_of(header)));

  const auto data = [&](std::vector<float> values) {
    values.resize(aligned(values.size() * sizeof(float)) / sizeof(float));
    return sink(bytes_of(values));
  };
  for (const auto& [tensor, entry] : entries_) {
    std::vector<float> sums(entry.means.size()), counts(entry.counts.size());
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i] = static_cast<float>(static_cast<double>(entry.means[i]) *
                                   entry.counts[i / static_cast<size_t>(entry.cols)]);
    }
    for (size_t s = 0; s < counts.size(); ++s) counts[s] = static_cast<float>(entry.counts[s]);
    HADAL_RETURN_IF_ERROR(data(std::move(sums)));
    HADAL_RETURN_IF_ERROR(data(std::move(counts)));
  }
  return absl::OkStatus();
}

absl::Status Imatrix::write_dat(const Sink& sink) const {
  const auto calls = static_cast<int32_t>(n_chunks());
  std::string piece;
  put(piece, static_cast<int32_t>(entries_.size()));
  for (const auto& [tensor, entry] : entries_) {
    if (entry.means.size() > INT32_MAX) {
      return fail(HADAL_E_UNSUPPORTED,
                  absl::StrCat(tensor, " has more values than a .dat file can count"),
                  "Write the matrix as GGUF.");
    }
    put_dat_text(piece, tensor);
    put(piece, calls);
    put(piece, static_cast<int32_t>(entry.means.size()));
    for (const float mean : entry.means) put(piece, mean * static_cast<float>(calls));
    HADAL_RETURN_IF_ERROR(sink(bytes_of(piece)));
    piece.clear();
  }
  put(piece, calls);
  put_dat_text(piece, absl::StrJoin(datasets, ","));
  return sink(bytes_of(piece));
}

}  // namespace hadal
