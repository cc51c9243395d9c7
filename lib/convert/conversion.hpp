// Writes a checkpoint from a checkpoint, a bounded piece at a time and in bounded memory. Nothing
// appears under the names of the files before all of them are whole; a conversion that ends early,
// or goes, leaves everything as it was.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/file.hpp"
#include "lib/base/log.hpp"
#include "lib/base/memory.hpp"
#include "lib/base/output_file.hpp"
#include "lib/base/thread_pool.hpp"
#include "lib/convert/conversion_options.hpp"
#include "lib/convert/output_plan.hpp"
#include "lib/convert/row_converter.hpp"
#include "lib/convert/row_pieces.hpp"

namespace hadal {

// What a conversion works with.
struct ConversionTools {
  std::shared_ptr<FileSystem> files;
  std::shared_ptr<Memory> memory;
  std::shared_ptr<Executor> executor;
  std::shared_ptr<Log> log;
};

class Conversion {
 public:
  Conversion(ConversionTools tools, std::string from, std::string to, ConversionOptions options);
  Conversion(const Conversion&) = delete;
  Conversion& operator=(const Conversion&) = delete;
  ~Conversion();

  // One piece. After a failure the conversion is over.
  absl::Status step();
  bool done() const { return stage_ == Stage::kDone; }
  double progress() const;  // 0 to 1, by bytes
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  enum class Stage { kPlan, kTensors, kCopies, kTexts, kPlace, kDone };

  absl::Status begin();
  absl::Status refuse_existing() const;
  absl::Status require_space() const;
  absl::Status furnish();
  absl::Status open_file();
  absl::Status convert_piece();
  void adapt_pieces(uint64_t took_ns);
  absl::Status end_tensor();
  absl::Status copy_piece();
  absl::Status write_text();
  absl::Status put_in_place();
  absl::Status read_scales(const RowPiece& piece, std::vector<std::span<const float>>* scales);
  absl::Status write(uint64_t at, std::span<const std::byte> bytes);
  absl::Status end_file();
  absl::Status read(const TensorEntry& of, uint64_t at, std::span<std::byte> to);

  const ConversionTools tools_;
  const std::string from_, to_;
  const ConversionOptions options_;

  Stage stage_ = Stage::kPlan;
  OutputPlan plan_;
  Block read_, scales_, write_;
  std::optional<RowConverter> rows_;
  uint64_t most_piece_bytes_ = 0, piece_bytes_ = 0;  // that there is room for; of the next one

  bool made_directory_ = false;
  std::vector<OutputFile> written_;  // those whole but not in place; the last may be under way
  size_t file_ = 0, tensor_ = 0;     // under way, counted over all
  std::optional<RowPieceCutter> cutter_;
  uint64_t at_ = 0;  // of the file under way
  uint64_t unsynced_bytes_ = 0;
  size_t copy_ = 0, text_ = 0, placed_ = 0;

  uint64_t bytes_read_ = 0, bytes_done_ = 0, bytes_total_ = 0;
};

// What a conversion would do (hadal_convert_sizes).
struct ConversionSizes {
  uint64_t read_bytes = 0, write_bytes = 0, largest_file_bytes = 0, work_bytes = 0;
  std::optional<uint64_t> free_bytes;
  uint64_t files = 0, tensors = 0;
  TypeCounts types;
};
absl::StatusOr<ConversionSizes> plan_conversion(const ConversionTools& tools,
                                                const std::string& from, const std::string& to,
                                                const ConversionOptions& options);

}  // namespace hadal
