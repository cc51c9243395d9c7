#include "lib/convert/row_converter.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "lib/tensor/block_encoders.hpp"
#include "lib/tensor/block_formats.hpp"

namespace hadal {
namespace {

constexpr int64_t kTaskElements = 1 << 16;  // what one thread takes at a time
constexpr float kLargestF16 = 65504.0f;
constexpr int64_t kNone = INT64_MAX;

int n_threads(const Executor& executor) { return std::max(1, executor.thread_count()); }

// Whether the type can hold every number of a row.
bool is_encodable(DType dtype, std::span<const float> row) {
  if (info(dtype).block_elements > 1) {
    return std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); });
  }
  if (dtype != DType::kF16) return true;
  return std::none_of(row.begin(), row.end(), [](float x) {
    return std::isfinite(x) && std::fabs(x) >= kLargestF16 + 16.0f;  // becomes infinite
  });
}

// Rows of one part that one thread takes.
struct Task {
  const RowPiecePart* part;
  std::span<const float> scales;
  int64_t first_row, n_rows;  // of the part
  int64_t first_of_piece;     // the same, counted from the piece's first row
};

// One piece on its way.
class Job {
 public:
  Job(const OutputTensor& tensor, const RowPiece& piece, std::span<const std::byte> read,
      std::span<std::byte> write, int64_t block_rows, int64_t block_cols)
      : tensor_(tensor),
        piece_(piece),
        read_(read),
        write_(write),
        block_rows_(block_rows),
        block_cols_(block_cols) {}

  void work(const Task& task, float* floats) {
    const RowRun& run = *task.part->run;
    if (run.transposed) return turn(task, floats);
    for (int64_t i = 0; i < task.n_rows; ++i) {
      const int64_t row_of_part = task.first_row + i;
      const std::byte* from = source_row(*task.part, row_of_part);
      if (run.source->dtype == tensor_.dtype && run.scales == nullptr) {
        std::memcpy(to(task.first_of_piece + i), from, static_cast<size_t>(tensor_.row_bytes()));
        continue;
      }
      decode(run, from, run.first_row + task.part->first_row + row_of_part, task.scales, floats);
      encode(floats, task.first_of_piece + i);
    }
  }

  // The first row of the tensor that does not fit its type; kNone.
  int64_t first_misfit() const { return first_misfit_.load(); }

 private:
  const std::byte* source_row(const RowPiecePart& part, int64_t row) const {
    const TensorEntry& source = *part.run->source;
    return read_.data() + part.at + row * hadal::row_bytes(source.dtype, source.shape.back());
  }
  std::byte* to(int64_t row_of_piece) const {
    return write_.data() + row_of_piece * tensor_.row_bytes();
  }

  // `row` is the source's, by which its scales are found.
  void decode(const RowRun& run, const std::byte* from, int64_t row, std::span<const float> scales,
              float* floats) const {
    const int64_t cols = run.source->shape.back();
    decode_row(run.source->dtype, from, cols, floats);
    if (run.scales == nullptr) return;
    const float* of_row = scales.data() + row / block_rows_ * run.scales->shape[1];
    for (int64_t begin = 0; begin < cols; begin += block_cols_) {
      const float scale = of_row[begin / block_cols_];
      for (int64_t c = begin; c < std::min(begin + block_cols_, cols); ++c) floats[c] *= scale;
    }
  }

  // All rows of the source that the part needs, side by side; then column for column.
  void turn(const Task& task, float* floats) {
    const RowRun& run = *task.part->run;
    const int64_t cols = tensor_.cols(), source_cols = run.source->shape.back();
    float* const turned = floats + cols * source_cols;
    for (int64_t j = 0; j < cols; ++j) {
      decode(run, source_row(*task.part, j), run.first_row + j, task.scales,
             floats + j * source_cols);
    }
    for (int64_t i = 0; i < task.n_rows; ++i) {
      const int64_t column = task.part->first_row + task.first_row + i;
      for (int64_t j = 0; j < cols; ++j) turned[j] = floats[j * source_cols + column];
      encode(turned, task.first_of_piece + i);
    }
  }

  void encode(const float* row, int64_t row_of_piece) {
    const int64_t cols = tensor_.cols(), row_of_tensor = piece_.first_row + row_of_piece;
    if (!is_encodable(tensor_.dtype, {row, static_cast<size_t>(cols)})) {
      int64_t first = first_misfit_.load();
      while (row_of_tensor < first && !first_misfit_.compare_exchange_weak(first, row_of_tensor)) {
      }
      return;
    }
    const float* importance = nullptr;
    if (!tensor_.importance.empty()) {
      const bool per_slice = static_cast<int64_t>(tensor_.importance.size()) > cols;
      const int64_t slice = per_slice ? row_of_tensor / tensor_.rows_per_slice() : 0;
      importance = tensor_.importance.data() + slice * cols;
    }
    encode_row(tensor_.dtype, row, cols, importance, to(row_of_piece));
  }

  const OutputTensor& tensor_;
  const RowPiece& piece_;
  const std::span<const std::byte> read_;
  const std::span<std::byte> write_;
  const int64_t block_rows_, block_cols_;
  std::atomic<int64_t> first_misfit_{kNone};
};

}  // namespace

uint64_t RowConverter::work_bytes(const Executor& executor, const RowPieceNeeds& needs) {
  return static_cast<uint64_t>(n_threads(executor)) * static_cast<uint64_t>(needs.floats) *
         sizeof(float);
}

absl::StatusOr<RowConverter> RowConverter::create(std::shared_ptr<Executor> executor,
                                                  Memory& memory, const RowPieceNeeds& needs,
                                                  int64_t block_rows, int64_t block_cols) {
  RowConverter converter;
  HADAL_ASSIGN_OR_RETURN(
      converter.work_,
      memory.allocate(static_cast<size_t>(work_bytes(*executor, needs)), MemoryTag::kStaging));
  converter.executor_ = std::move(executor);
  converter.floats_per_thread_ = needs.floats;
  converter.block_rows_ = block_rows;
  converter.block_cols_ = block_cols;
  return converter;
}

absl::Status RowConverter::run(const OutputTensor& tensor, const RowPiece& piece,
                               std::span<const std::byte> read,
                               const std::vector<std::span<const float>>& scales,
                               std::span<std::byte> write) {
  HADAL_CHECK(read.size() >= piece.read_bytes && write.size() >= piece.write_bytes);
  std::vector<Task> tasks;
  int64_t row_of_piece = 0;
  for (size_t p = 0; p < piece.parts.size(); ++p) {
    const RowPiecePart& part = piece.parts[p];
    const int64_t step =
        part.run->transposed ? part.n_rows : std::max<int64_t>(1, kTaskElements / tensor.cols());
    for (int64_t row = 0; row < part.n_rows; row += step) {
      tasks.push_back(
          {&part, scales[p], row, std::min(step, part.n_rows - row), row_of_piece + row});
    }
    row_of_piece += part.n_rows;
  }

  Job job(tensor, piece, read, write, block_rows_, block_cols_);
  const size_t workers = std::min(tasks.size(), static_cast<size_t>(n_threads(*executor_)));
  std::atomic<size_t> next{0};
  executor_->parallel_for(workers, [&](size_t worker) {
    float* floats = work_.floats() + static_cast<int64_t>(worker) * floats_per_thread_;
    for (size_t i; (i = next.fetch_add(1)) < tasks.size();) job.work(tasks[i], floats);
  });

  const int64_t misfit = job.first_misfit();
  if (misfit == kNone) return absl::OkStatus();
  const bool is_f16 = tensor.dtype == DType::kF16;
  return fail(HADAL_E_FORMAT,
              absl::StrCat("the tensor ", tensor.name_in_file, ", row ", misfit, ": a number that ",
                           is_f16 ? "is too large for f16" : "is not finite", ", to be written as ",
                           name(tensor.dtype)),
              is_f16 ? "Write it as bf16 or f32 (a rule can name this tensor alone)."
                     : "The weights are damaged: download them again.");
}

}  // namespace hadal
