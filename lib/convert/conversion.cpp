#include "lib/convert/conversion.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "lib/base/deadline.hpp"
#include "lib/tensor/block_formats.hpp"

namespace hadal {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{16} << 20;
constexpr uint64_t kLeastPieceBytes = uint64_t{256} << 10;
constexpr uint64_t kShortNs = 20'000'000, kLongNs = 80'000'000;
constexpr uint64_t kSyncBytes = uint64_t{256} << 20;  // or the last sync would take minutes

std::string bytes_text(uint64_t n) {
  if (n < 10'000'000) return absl::StrCat(n, " bytes");
  return absl::StrCat(n / 1'000'000, " MB");
}

uint64_t work_bytes(const Executor& executor, const RowPieceNeeds& needs) {
  return needs.read_bytes + needs.scales_bytes + needs.write_bytes +
         RowConverter::work_bytes(executor, needs);
}

}  // namespace

Conversion::Conversion(ConversionTools tools, std::string from, std::string to,
                       ConversionOptions options)
    : tools_(std::move(tools)),
      from_(std::move(from)),
      to_(std::move(to)),
      options_(std::move(options)) {}

Conversion::~Conversion() {
  written_.clear();
  if (!made_directory_ || placed_ != 0) return;
  try {
    tools_.files->remove_directory(plan_.directory);
  } catch (...) {  // without memory an empty directory stays
  }
}

double Conversion::progress() const {
  if (done()) return 1.0;
  if (bytes_total_ == 0) return 0.0;
  // 1.0 is said once, at the end.
  return std::min(0.999, static_cast<double>(bytes_done_) / static_cast<double>(bytes_total_));
}

absl::Status Conversion::step() {
  switch (stage_) {
    case Stage::kPlan:
      HADAL_RETURN_IF_ERROR(begin());
      stage_ = Stage::kTensors;
      return absl::OkStatus();
    case Stage::kTensors:
      if (file_ == plan_.files.size()) {
        stage_ = Stage::kCopies;
        return absl::OkStatus();
      }
      return convert_piece();
    case Stage::kCopies:
      if (copy_ == plan_.copies.size()) {
        stage_ = Stage::kTexts;
        return absl::OkStatus();
      }
      return copy_piece();
    case Stage::kTexts:
      if (text_ == plan_.texts.size()) {
        stage_ = Stage::kPlace;
        return absl::OkStatus();
      }
      return write_text();
    case Stage::kPlace:
      HADAL_RETURN_IF_ERROR(put_in_place());
      stage_ = Stage::kDone;
      return absl::OkStatus();
    case Stage::kDone: return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Conversion::begin() {
  HADAL_ASSIGN_OR_RETURN(plan_, plan_output(*tools_.files, from_, to_, options_, *tools_.log));
  HADAL_RETURN_IF_ERROR(refuse_existing());
  HADAL_RETURN_IF_ERROR(require_space());
  HADAL_RETURN_IF_ERROR(furnish());
  if (!plan_.directory.empty()) {
    HADAL_ASSIGN_OR_RETURN(made_directory_, tools_.files->make_directory(plan_.directory));
  }
  bytes_total_ = plan_.bytes_to_read() + plan_.bytes_to_write();
  return absl::OkStatus();
}

// Whatever cannot be replaced has to be found out before the work, and not after it.
absl::Status Conversion::refuse_existing() const {
  std::vector<absl::string_view> paths;
  for (const PlannedFile& file : plan_.files) paths.push_back(file.path);
  for (const PlannedCopy& copy : plan_.copies) paths.push_back(copy.path);
  for (const PlannedText& text : plan_.texts) paths.push_back(text.path);
  for (const absl::string_view path : paths) {
    const absl::Status status = tools_.files->open(path).status();
    if (code_of(status) == HADAL_E_UNSUPPORTED) {
      return fail(
          HADAL_E_INVALID_ARGUMENT,
          absl::StrCat(path, ": a directory or device stands where a file is to be written"),
          "Give the path of the file to be written.");
    }
    if (absl::EndsWith(path, "/")) {
      return fail(HADAL_E_INVALID_ARGUMENT,
                  absl::StrCat(path, ": the path of a directory, wanted that of a file"),
                  "Give the path of the file to be written.");
    }
    if (status.ok() && !options_.overwrite) {
      return fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat(path, ": this file is there already"),
                  "Write under another name, or set the option convert_overwrite to replace it.");
    }
  }
  return absl::OkStatus();
}

absl::Status Conversion::require_space() const {
  const std::optional<uint64_t> free = tools_.files->free_bytes(to_);
  const uint64_t wanted = plan_.bytes_to_write();
  if (!free || wanted <= *free) return absl::OkStatus();
  return fail(HADAL_E_NO_SPACE,
              absl::StrCat(to_, ": ", bytes_text(wanted), " are to be written (", wanted,
                           " bytes), the disk has room for ", bytes_text(*free)),
              "Free space on this disk, write to another, or choose a smaller type.");
}

// Smaller pieces where the budget is small.
absl::Status Conversion::furnish() {
  for (uint64_t bytes = kPieceBytes;; bytes /= 2) {
    const RowPieceNeeds needs = needs_of(plan_.tensors, bytes);
    const absl::Status status = [&]() -> absl::Status {
      read_.reset();
      scales_.reset();
      write_.reset();
      Memory& memory = *tools_.memory;
      const auto allocate = [&](uint64_t n) {
        return memory.allocate(static_cast<size_t>(n), MemoryTag::kStaging);
      };
      HADAL_ASSIGN_OR_RETURN(read_, allocate(std::max(needs.read_bytes, bytes)));
      HADAL_ASSIGN_OR_RETURN(scales_, allocate(needs.scales_bytes));
      HADAL_ASSIGN_OR_RETURN(write_, allocate(needs.write_bytes));
      HADAL_ASSIGN_OR_RETURN(
          RowConverter rows,
          RowConverter::create(tools_.executor, memory, needs, plan_.config.weight_block_rows,
                               plan_.config.weight_block_cols));
      rows_.emplace(std::move(rows));
      return absl::OkStatus();
    }();
    if (status.ok()) {
      most_piece_bytes_ = bytes;
      piece_bytes_ = kLeastPieceBytes;
      return status;
    }
    if (code_of(status) != HADAL_E_BUDGET || bytes / 2 < kLeastPieceBytes) return status;
  }
}

absl::Status Conversion::open_file() {
  const PlannedFile& file = plan_.files[file_];
  HADAL_ASSIGN_OR_RETURN(OutputFile out, OutputFile::create(tools_.files, file.path));
  written_.push_back(std::move(out));
  at_ = 0;
  tensor_ = file.first_tensor;
  return write(0, std::as_bytes(std::span(file.header)));
}

absl::Status Conversion::convert_piece() {
  const PlannedFile& file = plan_.files[file_];
  if (written_.size() == file_) HADAL_RETURN_IF_ERROR(open_file());
  if (tensor_ == file.first_tensor + file.offsets.size()) {  // a file without tensors, or the end
    ++file_;
    return end_file();
  }
  const OutputTensor& tensor = plan_.tensors[tensor_];
  if (!cutter_) cutter_.emplace(tensor);
  const RowPiece piece = cutter_->next(piece_bytes_);
  const uint64_t started = now_ns();
  for (const RowPiecePart& part : piece.parts) {
    HADAL_RETURN_IF_ERROR(
        read(*part.run->source, part.read_from, read_.bytes().subspan(part.at, part.read_bytes)));
  }
  std::vector<std::span<const float>> scales;
  HADAL_RETURN_IF_ERROR(read_scales(piece, &scales));
  const std::span<std::byte> out = write_.bytes().first(piece.write_bytes);
  const absl::Status status = rows_->run(tensor, piece, read_.bytes(), scales, out);
  if (!status.ok()) return prefix(from_, status);
  const uint64_t offset = file.offsets[tensor_ - file.first_tensor];
  HADAL_RETURN_IF_ERROR(
      write(offset + static_cast<uint64_t>(piece.first_row * tensor.row_bytes()), out));
  adapt_pieces(now_ns() - started);
  return cutter_->done() ? end_tensor() : absl::OkStatus();
}

// Encoders of few bits take a hundred times longer than a copy. Between two pieces others get their
// turn and a wish to cancel is seen, so a piece should be short; and not so short that it costs.
void Conversion::adapt_pieces(uint64_t took_ns) {
  if (took_ns > kLongNs) piece_bytes_ = std::max(piece_bytes_ / 2, kLeastPieceBytes);
  if (took_ns < kShortNs) piece_bytes_ = std::min(piece_bytes_ * 2, most_piece_bytes_);
}

absl::Status Conversion::read(const TensorEntry& of, uint64_t at, std::span<std::byte> to) {
  const File& file = *plan_.checkpoint->files()[static_cast<size_t>(of.file)];
  HADAL_RETURN_IF_ERROR(file.read_at(at, to));
  bytes_read_ += to.size();
  bytes_done_ += to.size();
  return absl::OkStatus();
}

// One run after the other, each as floats. What a large tensor's pieces share is read for each.
absl::Status Conversion::read_scales(const RowPiece& piece,
                                     std::vector<std::span<const float>>* scales) {
  float* next = scales_.floats();
  for (const RowPiecePart& part : piece.parts) {
    const TensorEntry* entry = part.run->scales;
    if (entry == nullptr) {
      scales->emplace_back();
      continue;
    }
    const int64_t n = entry->shape[0] * entry->shape[1];
    std::vector<std::byte> bytes(static_cast<size_t>(entry->size_bytes));
    const File& file = *plan_.checkpoint->files()[static_cast<size_t>(entry->file)];
    HADAL_RETURN_IF_ERROR(file.read_at(entry->offset, bytes));
    bytes_read_ += bytes.size();
    if (part.first_row == 0) bytes_done_ += bytes.size();
    decode_row(entry->dtype, bytes.data(), n, next);
    scales->emplace_back(next, static_cast<size_t>(n));
    next += n;
  }
  return absl::OkStatus();
}

absl::Status Conversion::write(uint64_t at, std::span<const std::byte> bytes) {
  OutputFile& out = written_.back();
  HADAL_RETURN_IF_ERROR(out.write_at(at, bytes));
  at_ = at + bytes.size();
  bytes_done_ += bytes.size();
  unsynced_bytes_ += bytes.size();
  if (unsynced_bytes_ < kSyncBytes) return absl::OkStatus();
  unsynced_bytes_ = 0;
  return out.sync();
}

// The bytes up to the next tensor, or to the end of the file, are zeros that somebody must write.
absl::Status Conversion::end_tensor() {
  const PlannedFile& file = plan_.files[file_];
  ++tensor_;
  cutter_.reset();
  const size_t next = tensor_ - file.first_tensor;
  const uint64_t end = next < file.offsets.size() ? file.offsets[next] : file.size_bytes;
  constexpr std::array<std::byte, 4096> kZeros = {};
  while (at_ < end) {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(end - at_, kZeros.size()));
    HADAL_RETURN_IF_ERROR(write(at_, std::span(kZeros).first(n)));
  }
  return absl::OkStatus();
}

absl::Status Conversion::end_file() {
  unsynced_bytes_ = 0;
  return written_.back().sync();
}

absl::Status Conversion::copy_piece() {
  const PlannedCopy& copy = plan_.copies[copy_];
  if (written_.size() == plan_.files.size() + copy_) {
    HADAL_ASSIGN_OR_RETURN(OutputFile out, OutputFile::create(tools_.files, copy.path));
    written_.push_back(std::move(out));
    at_ = 0;
  }
  const uint64_t left = copy.source->size_bytes() - at_;
  const std::span<std::byte> bytes =
      read_.bytes().first(static_cast<size_t>(std::min<uint64_t>(left, read_.size())));
  if (bytes.empty()) {
    ++copy_;
    return end_file();
  }
  HADAL_RETURN_IF_ERROR(copy.source->read_at(at_, bytes));
  bytes_read_ += bytes.size();
  bytes_done_ += bytes.size();
  return write(at_, bytes);
}

absl::Status Conversion::write_text() {
  const PlannedText& text = plan_.texts[text_];
  HADAL_ASSIGN_OR_RETURN(OutputFile out, OutputFile::create(tools_.files, text.path));
  written_.push_back(std::move(out));
  HADAL_RETURN_IF_ERROR(write(0, std::as_bytes(std::span(text.text))));
  ++text_;
  return end_file();
}

// In the order in which they were written: with the last one a set is whole. All are on the disk,
// so only a failure of the names themselves can leave some in place and some not.
absl::Status Conversion::put_in_place() {
  for (OutputFile& file : written_) {
    HADAL_RETURN_IF_ERROR(file.put_in_place());
    ++placed_;
  }
  tools_.log->info("convert",
                   absl::StrCat(to_, ": ", written_.size(), " files, ", plan_.tensors.size(),
                                " tensors, ", bytes_text(plan_.bytes_to_write())));
  return absl::OkStatus();
}

absl::StatusOr<ConversionSizes> plan_conversion(const ConversionTools& tools,
                                                const std::string& from, const std::string& to,
                                                const ConversionOptions& options) {
  HADAL_ASSIGN_OR_RETURN(const OutputPlan plan,
                         plan_output(*tools.files, from, to, options, *tools.log));
  ConversionSizes sizes;
  sizes.read_bytes = plan.bytes_to_read();
  sizes.write_bytes = plan.bytes_to_write();
  sizes.largest_file_bytes = plan.largest_file_bytes();
  RowPieceNeeds needs = needs_of(plan.tensors, kPieceBytes);
  needs.read_bytes = std::max(needs.read_bytes, kPieceBytes);
  sizes.work_bytes = work_bytes(*tools.executor, needs);
  sizes.free_bytes = tools.files->free_bytes(to);
  sizes.files = plan.n_files();
  sizes.tensors = plan.tensors.size();
  sizes.types = plan.types;
  return sizes;
}

}  // namespace hadal
