#include "lib/checkpoint/safetensors_file.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_join.h"
#include "lib/base/checked.hpp"
#include "lib/base/hash_map.hpp"
#include "lib/base/json.hpp"
#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMostHeaderBytes = 100'000'000;  // the format's own limit
constexpr uint64_t kBytesPerTensor = 256;           // of header; the files of V3 have 130
constexpr size_t kMaxDimensions = 8;
constexpr size_t kMaxNameBytes = 1024;
constexpr uint64_t kMaxInt64 = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

constexpr absl::string_view kDamaged =
    "The file is damaged or was written wrongly: compare its checksum, download it again.";

struct TypeName {
  absl::string_view in_file;
  DType dtype;
};
constexpr TypeName kTypes[] = {
    {"BF16", DType::kBF16}, {"F8_E4M3", DType::kF8_E4M3}, {"F32", DType::kF32},
    {"F16", DType::kF16},   {"F8_E8M0", DType::kF8_E8M0}, {"F64", DType::kF64},
    {"I8", DType::kI8},     {"I16", DType::kI16},         {"I32", DType::kI32},
    {"I64", DType::kI64},
};
// Sound, but nothing that a model of the family is made of.
constexpr absl::string_view kOtherTypes[] = {
    "BOOL",    "U8",          "U16",         "U32", "U64",     "C64",
    "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F4",  "F6_E2M3", "F6_E3M2",
};

// The header's JSON, taken apart as it is read, so that nothing is kept but what the table needs
// and a file with anything else in it is refused at once.
class HeaderVisitor final : public JsonVisitor {
 public:
  HeaderVisitor(const std::string& path, uint64_t most_tensors)
      : path_(path), most_tensors_(most_tensors) {}

  std::vector<SafetensorsTensor> take_tensors() { return std::move(tensors_); }

  absl::Status begin_object() override {
    if (in_array_ || depth_ == 2) return unexpected("an object");
    if (depth_ == 1 && is_metadata_) {
      if (saw_metadata_) return wrong("__metadata__ is given twice");
      saw_metadata_ = true;
    }
    ++depth_;
    seen_ = 0;
    return absl::OkStatus();
  }

  absl::Status end_object() override {
    --depth_;
    if (depth_ == 1 && !is_metadata_) return finish_tensor();
    return absl::OkStatus();
  }

  absl::Status key(absl::string_view key) override {
    if (depth_ == 1) {
      is_metadata_ = key == "__metadata__";
      return is_metadata_ ? absl::OkStatus() : begin_tensor(key);
    }
    if (is_metadata_) return absl::OkStatus();
    field_ = key == "dtype"          ? kDtype
             : key == "shape"        ? kShape
             : key == "data_offsets" ? kOffsets
                                     : kNone;
    if (field_ == kNone) {
      return wrong_tensor(
          absl::StrCat("has the key ", printable(key), ", wanted dtype, shape and data_offsets"));
    }
    if ((seen_ & field_) != 0) return wrong_tensor(absl::StrCat(key, " is given twice"));
    seen_ |= field_;
    return absl::OkStatus();
  }

  absl::Status begin_array() override {
    if (in_array_ || depth_ != 2 || is_metadata_ || field_ == kDtype) return unexpected("an array");
    in_array_ = true;
    return absl::OkStatus();
  }

  absl::Status end_array() override {
    in_array_ = false;
    return absl::OkStatus();
  }

  absl::Status text(absl::string_view value) override {
    if (in_array_ || depth_ != 2) return unexpected("a text");
    if (is_metadata_) return absl::OkStatus();
    if (field_ != kDtype) return unexpected("a text");
    for (const TypeName& type : kTypes) {
      if (value != type.in_file) continue;
      tensors_.back().dtype = type.dtype;
      return absl::OkStatus();
    }
    const bool is_known =
        std::find(std::begin(kOtherTypes), std::end(kOtherTypes), value) != std::end(kOtherTypes);
    return fail(is_known ? HADAL_E_UNSUPPORTED : HADAL_E_FORMAT,
                absl::StrCat(described(), " has the dtype ", printable(value), "; hadal reads ",
                             absl::StrJoin(kTypes, ", ",
                                           [](std::string* out, const TypeName& type) {
                                             absl::StrAppend(out, type.in_file);
                                           })),
                is_known ? "Use a checkpoint in BF16, F16, F32 or block-scaled F8_E4M3, or GGUF."
                         : kDamaged);
  }

  absl::Status whole_number(uint64_t value) override {
    if (!in_array_) return unexpected("a number");
    if (field_ == kShape) return add_dimension(value);
    if (n_offsets_ == 2) return wrong_tensor("data_offsets has more than two numbers");
    offsets_[n_offsets_++] = value;
    return absl::OkStatus();
  }

  absl::Status other_value() override {
    return unexpected("null, true, false, or no whole number from 0 to 2^64");
  }

 private:
  enum Field : uint8_t { kNone = 0, kDtype = 1, kShape = 2, kOffsets = 4 };

  absl::Status begin_tensor(absl::string_view name) {
    if (tensors_.size() >= most_tensors_) {
      return fail(HADAL_E_LIMIT,
                  absl::StrCat(path_, ": more than ", most_tensors_,
                               " tensors in this and the shards before it"),
                  "If the file is trustworthy, raise the option limit_tensors.");
    }
    if (name.empty() || name.size() > kMaxNameBytes) {
      return wrong(absl::StrCat("a tensor's name (", printable(name), "): wanted 1 to ",
                                kMaxNameBytes, " bytes, found ", name.size()));
    }
    if (!names_.try_emplace(std::string(name), true).second) {
      return wrong(absl::StrCat("the tensor ", printable(name), " is given twice"));
    }
    SafetensorsTensor& tensor = tensors_.emplace_back();
    tensor.name = std::string(name);
    field_ = kNone;
    n_offsets_ = 0;
    n_elements_ = Checked(1);
    return absl::OkStatus();
  }

  absl::Status add_dimension(uint64_t value) {
    std::vector<int64_t>& shape = tensors_.back().shape;
    if (shape.size() == kMaxDimensions) {
      return fail(HADAL_E_UNSUPPORTED,
                  absl::StrCat(described(), " has more than ", kMaxDimensions, " dimensions"),
                  "No model of the family has such tensors: check where the file comes from.");
    }
    // A zero does not make up for what overflows beside it.
    if (value > kMaxInt64) return wrong_tensor("has a dimension of more than 2^63");
    if (value != 0) n_elements_ = n_elements_ * value;
    if (!n_elements_.at_most(kMaxInt64)) return wrong_tensor("has more than 2^63 elements");
    shape.push_back(static_cast<int64_t>(value));
    return absl::OkStatus();
  }

  absl::Status finish_tensor() {
    SafetensorsTensor& tensor = tensors_.back();
    if (seen_ != (kDtype | kShape | kOffsets)) {
      return wrong_tensor("wanted dtype, shape and data_offsets, found only some of them");
    }
    if (n_offsets_ != 2) return wrong_tensor("data_offsets: wanted two numbers");
    const auto [begin, end] = std::pair(offsets_[0], offsets_[1]);
    if (begin > end) {
      return wrong_tensor(absl::StrCat("data_offsets: ", begin, " is behind ", end));
    }
    const bool is_empty =
        std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
    const Checked size =
        is_empty ? Checked(0) : n_elements_ * static_cast<uint64_t>(info(tensor.dtype).block_bytes);
    const std::optional<uint64_t> size_bytes = size.at_most(kMaxInt64);
    if (!size_bytes || *size_bytes != end - begin) {
      return wrong_tensor(absl::StrCat("data_offsets: ", end - begin, " bytes from ", begin, " to ",
                                       end, ", but [", absl::StrJoin(tensor.shape, ", "), "] in ",
                                       name(tensor.dtype), " takes ",
                                       size_bytes ? absl::StrCat(*size_bytes) : "more than 2^63"));
    }
    tensor.offset = begin;  // of the data, until they are placed
    tensor.size_bytes = *size_bytes;
    return absl::OkStatus();
  }

  absl::Status unexpected(absl::string_view found) const {
    const absl::string_view wanted = depth_ == 0        ? "an object with a table of tensors"
                                     : is_metadata_     ? "an object of texts"
                                     : depth_ == 1      ? "an object"
                                     : field_ == kDtype ? "a text"
                                     : in_array_        ? "whole numbers"
                                                        : "an array of whole numbers";
    const absl::string_view where = field_ == kDtype     ? ": dtype"
                                    : field_ == kShape   ? ": shape"
                                    : field_ == kOffsets ? ": data_offsets"
                                                         : "";
    const std::string what = depth_ == 0    ? absl::StrCat(path_, ": the header")
                             : is_metadata_ ? absl::StrCat(path_, ": __metadata__")
                                            : absl::StrCat(described(), where);
    return fail(HADAL_E_FORMAT, absl::StrCat(what, ": wanted ", wanted, ", found ", found),
                kDamaged);
  }
  std::string described() const {
    return absl::StrCat(path_, ": the tensor ",
                        tensors_.empty() ? "" : printable(tensors_.back().name));
  }
  absl::Status wrong(absl::string_view what) const {
    return fail(HADAL_E_FORMAT, absl::StrCat(path_, ": ", what), kDamaged);
  }
  absl::Status wrong_tensor(absl::string_view what) const {
    return fail(HADAL_E_FORMAT, absl::StrCat(described(), ": ", what), kDamaged);
  }

  const std::string& path_;
  const uint64_t most_tensors_;
  std::vector<SafetensorsTensor> tensors_;
  HashMap<std::string, bool> names_;
  int depth_ = 0;  // of objects
  bool in_array_ = false;
  bool is_metadata_ = false, saw_metadata_ = false;
  Field field_ = kNone;
  int seen_ = 0;  // fields of the tensor
  uint64_t offsets_[2] = {};
  size_t n_offsets_ = 0;
  Checked n_elements_{1};
};

absl::StatusOr<std::string> read_header(const File& file, const CheckpointOptions& options,
                                        SafetensorsTotals& totals) {
  HeaderReader reader(file);
  uint64_t size = 0;
  HADAL_RETURN_IF_ERROR(reader.read(&size, "the length of the header"));
  if (size > kMostHeaderBytes || size < 2) {
    return fail(HADAL_E_FORMAT,
                absl::StrCat(file.path(), ": a header of ", size,
                             " bytes announced at byte 0, wanted 2 to ", kMostHeaderBytes),
                kDamaged);
  }
  const Checked most =
      Checked(options.limit_tensors) * kBytesPerTensor + options.limit_string_bytes;
  const uint64_t limit = most.at_most(kMaxInt64).value_or(kMaxInt64);
  if (!(Checked(totals.header_bytes) + size).at_most(limit)) {
    return fail(HADAL_E_LIMIT,
                absl::StrCat(file.path(), ": a header of ", size, " bytes, ", totals.header_bytes,
                             " in other shards; at most ", limit, " are allowed together"),
                "If the files are trustworthy, raise the option limit_tensors.");
  }
  totals.header_bytes += size;
  std::string header;
  HADAL_RETURN_IF_ERROR(reader.append(size, &header, "the header"));
  if (header[0] != '{') {
    return fail(HADAL_E_FORMAT,
                absl::StrCat(file.path(), ": wanted { at byte ", kLengthBytes, ", found ",
                             printable(header.substr(0, 1))),
                kDamaged);
  }
  return header;
}

// The data follow the header and each other without gaps, up to the end of the file.
absl::Status place_tensors(uint64_t data_start, SafetensorsFile& shard) {
  std::vector<SafetensorsTensor>& tensors = shard.tensors;
  const std::string& path = shard.file->path();
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.offset, a.size_bytes, a.name) < std::tie(b.offset, b.size_bytes, b.name);
  });
  const uint64_t data_size = shard.file->size_bytes() - data_start;
  uint64_t end = 0;
  for (SafetensorsTensor& tensor : tensors) {
    if (tensor.offset != end) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path, ": the tensor ", printable(tensor.name), " begins at byte ",
                               tensor.offset, " of the data, wanted ", end,
                               ", where the one before it ends"),
                  kDamaged);
    }
    if (tensor.size_bytes > data_size - end) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path, ": the tensor ", printable(tensor.name), " wants ",
                               tensor.size_bytes, " bytes from byte ", data_start + end,
                               " on, but the file ends at byte ", shard.file->size_bytes()),
                  "The file is truncated or damaged: compare its size, download it again.");
    }
    tensor.offset += data_start;
    end += tensor.size_bytes;
  }
  if (end == data_size) return absl::OkStatus();
  return fail(HADAL_E_FORMAT,
              absl::StrCat(path, ": the tensors end at byte ", data_start + end,
                           ", the file only at byte ", shard.file->size_bytes()),
              kDamaged);
}

}  // namespace

bool is_safetensors(absl::string_view first_bytes) {
  if (first_bytes.size() <= kLengthBytes || first_bytes[kLengthBytes] != '{') return false;
  uint64_t size = 0;
  std::memcpy(&size, first_bytes.data(), sizeof size);
  return size <= kMostHeaderBytes;
}

absl::StatusOr<SafetensorsFile> read_safetensors_file(std::shared_ptr<const File> file,
                                                      const CheckpointOptions& options,
                                                      SafetensorsTotals& totals) {
  HADAL_ASSIGN_OR_RETURN(const std::string header, read_header(*file, options, totals));
  HADAL_CHECK(totals.n_tensors <= options.limit_tensors);
  HeaderVisitor visitor(file->path(), options.limit_tensors - totals.n_tensors);
  HADAL_RETURN_IF_ERROR(walk_json(header, absl::StrCat(file->path(), ": its header"), visitor));
  SafetensorsFile shard{std::move(file), visitor.take_tensors()};
  totals.n_tensors += shard.tensors.size();
  HADAL_RETURN_IF_ERROR(place_tensors(kLengthBytes + header.size(), shard));
  return shard;
}

}  // namespace hadal
