// Importance matrices and their files: those of llama.cpp's llama-imatrix, in its GGUF layout and
// in the .dat files of before, so that either program's matrix serves the other.
//
// GGUF   general.type "imatrix"; imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size; for a
//        weight the f32 tensors <name>.in_sum2 [slices, cols], sums of squares, and <name>.counts,
//        the rows that they are of: one number, or one for each slice.
// .dat   i32 entries; for each i32 length and name, i32 calls, i32 values and the values f32: mean
//        squares times calls. Then, in newer ones, i32 chunks, i32 length and name of the text.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/base/status.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/convert/importance.hpp"

namespace hadal {

class Imatrix : public Importance {
 public:
  // Either layout. E_FORMAT, E_LIMIT, E_IO, E_NOT_FOUND, E_UNSUPPORTED for another kind of file.
  static absl::StatusOr<Imatrix> read(FileSystem& files, absl::string_view path,
                                      const CheckpointOptions& limits = {});

  static absl::StatusOr<Imatrix> parse(std::shared_ptr<const File> file,
                                       const CheckpointOptions& limits = {});

  // Mean squares of the inputs of a weight, by its name in GGUF files: [cols] or [slices, cols],
  // slice by slice. Slices that nothing went into have ones. Empty where nothing is known.
  std::span<const float> find(absl::string_view tensor) const override;
  ImportanceSource source() const override;

  // Adds sums of squares [slices, cols] over `counts` rows in each slice to what is there. E_FORMAT
  // if that has another shape.
  absl::Status add(absl::string_view tensor, int64_t cols, std::span<const double> squares,
                   std::span<const uint64_t> counts);
  // Adds all of another, as if one run had read both texts.
  absl::Status merge(const Imatrix& other);

  size_t size() const { return entries_.size(); }
  uint64_t most_rows() const;  // that went into a slice
  int64_t n_empty_slices() const;

  void add_dataset(const std::string& name);  // once
  std::vector<std::string> datasets;          // what the texts were called
  uint32_t chunk_size = 512;                  // tokens that count as one chunk

  // Gives the bytes of a file to `sink`, a piece at a time.
  using Sink = std::function<absl::Status(std::span<const std::byte>)>;
  absl::Status write_gguf(const Sink& sink) const;
  absl::Status write_dat(const Sink& sink) const;

 private:
  friend class ImatrixReader;
  struct Entry {
    int64_t slices = 1, cols = 0;
    std::vector<float> means;    // [slices, cols]
    std::vector<double> counts;  // [slices]
  };
  absl::Status combine(absl::string_view tensor, Entry entry);
  uint32_t n_chunks() const;

  std::string file_;                                   // that it was read from
  std::map<std::string, Entry, std::less<>> entries_;  // sorted: files are the same every time
};

}  // namespace hadal
