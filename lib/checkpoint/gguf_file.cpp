#include "lib/checkpoint/gguf_file.hpp"

#include <array>
#include <bit>
#include <limits>
#include <string>
#include <utility>

#include "lib/base/checked.hpp"
#include "lib/base/hash_map.hpp"
#include "lib/checkpoint/gguf_types.hpp"
#include "lib/checkpoint/header_reader.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kMagic = "GGUF";
constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxTensorNameBytes = 63;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMinAlignment = 8;
constexpr uint64_t kMaxAlignment = uint64_t{2} << 20;  // a huge page: the largest with a reason

// The least that an entry can take: an empty name's length, a type, a value; and a name's length,
// the number of dimensions, one of them, a type, an offset.
constexpr uint64_t kMinMetadataBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

constexpr absl::string_view kDamaged =
    "The file is damaged or was written wrongly: compare its checksum, get another copy.";

bool is_printable_ascii(absl::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

bool has_control_characters(absl::string_view text) {
  for (const char c : text) {
    if ((c >= 0 && c < 0x20) || c == 0x7f) return true;
  }
  return false;
}

class Parser {
 public:
  Parser(std::shared_ptr<const File> file, const CheckpointOptions& options, GgufTotals& totals)
      : file_(std::move(file)),
        options_(options),
        totals_(totals),
        reader_(*file_),
        gguf_{file_, 0, GgufMetadata(file_->path()), {}, 0} {}

  absl::StatusOr<GgufFile> run() {
    uint64_t n_tensors = 0;
    uint64_t n_entries = 0;
    HADAL_RETURN_IF_ERROR(read_version());
    HADAL_RETURN_IF_ERROR(read_counts(&n_tensors, &n_entries));
    for (uint64_t i = 0; i < n_entries; ++i) HADAL_RETURN_IF_ERROR(read_entry());
    uint64_t alignment = 0;
    HADAL_RETURN_IF_ERROR(read_alignment(&alignment));
    gguf_.tensors.reserve(static_cast<size_t>(n_tensors));
    for (uint64_t i = 0; i < n_tensors; ++i) HADAL_RETURN_IF_ERROR(read_tensor(i));
    gguf_.header_bytes = reader_.position();
    HADAL_RETURN_IF_ERROR(place_tensors(alignment));
    totals_.n_tensors += n_tensors;
    totals_.header_bytes += gguf_.header_bytes;
    return std::move(gguf_);
  }

 private:
  const std::string& path() const { return file_->path(); }

  absl::Status read_version() {
    std::array<char, 4> magic;
    HADAL_RETURN_IF_ERROR(reader_.read(&magic, "the word GGUF"));
    if (absl::string_view(magic.data(), magic.size()) != kMagic) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path(), ": wanted the word GGUF at byte 0, found ",
                               printable(absl::string_view(magic.data(), magic.size()))),
                  "This is no GGUF file.");
    }
    HADAL_RETURN_IF_ERROR(reader_.read(&gguf_.version, "the version"));
    if (gguf_.version == 2 || gguf_.version == 3) return absl::OkStatus();
    if (gguf_.version == 0) {
      return fail(HADAL_E_FORMAT, absl::StrCat(path(), ": GGUF version 0 at byte 4"), kDamaged);
    }
    // There is no mark for the byte order: a small number that lies the other way round is one.
    if ((gguf_.version & 0xffff) == 0) {
      return fail(
          HADAL_E_UNSUPPORTED,
          absl::StrCat(path(), ": a big-endian GGUF file (version ", gguf_.version, " at byte 4)"),
          "Convert the model to a little-endian file, the usual kind.");
    }
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat(path(), ": GGUF version ", gguf_.version,
                             " at byte 4; hadal reads versions 2 and 3"),
                gguf_.version == 1 ? "Convert the model again: version 1 was given up in 2023."
                                   : "Use a newer hadal, or convert the model to version 3.");
  }

  absl::Status read_counts(uint64_t* n_tensors, uint64_t* n_entries) {
    const uint64_t at = reader_.position();
    HADAL_RETURN_IF_ERROR(reader_.read(n_tensors, "the number of tensors"));
    HADAL_RETURN_IF_ERROR(reader_.read(n_entries, "the number of metadata entries"));
    const Checked least =
        Checked(*n_tensors) * kMinTensorBytes + Checked(*n_entries) * kMinMetadataBytes;
    if (!least.at_most(reader_.remaining())) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path(), ": ", *n_tensors, " tensors and ", *n_entries,
                               " metadata entries announced at byte ", at, ", but only ",
                               reader_.remaining(), " bytes follow"),
                  "The file is truncated or damaged: compare its size and checksum.");
    }
    if (!(Checked(*n_tensors) + totals_.n_tensors).at_most(options_.limit_tensors)) {
      return fail(
          HADAL_E_LIMIT,
          absl::StrCat(path(), ": ", *n_tensors, " tensors at byte ", at, ", ", totals_.n_tensors,
                       " in other shards; at most ", options_.limit_tensors, " are allowed"),
          "If the file is trustworthy, raise the option limit_tensors.");
    }
    if (*n_entries > options_.limit_metadata_entries) {
      return fail(HADAL_E_LIMIT,
                  absl::StrCat(path(), ": ", *n_entries, " metadata entries at byte ", at + 8,
                               "; at most ", options_.limit_metadata_entries, " are allowed"),
                  "If the file is trustworthy, raise the option limit_metadata_entries.");
    }
    return absl::OkStatus();
  }

  // Fails unless n_bytes more of header are in the file and within what a set may take in all.
  absl::Status claim(uint64_t n_bytes, absl::string_view what) {
    HADAL_RETURN_IF_ERROR(reader_.require(n_bytes, what));
    const Checked total = Checked(totals_.header_bytes) + reader_.position() + n_bytes;
    // Names, scalars and the usual strings take less than this each.
    const Checked n_items = Checked(options_.limit_array_elements) +
                            options_.limit_metadata_entries + options_.limit_tensors;
    const Checked limit = n_items * 64 + options_.limit_string_bytes;
    const std::optional<uint64_t> most = limit.at_most(std::numeric_limits<uint64_t>::max());
    if (!most || total.at_most(*most)) return absl::OkStatus();
    return fail(HADAL_E_LIMIT,
                absl::StrCat(path(), ": ", what, " at byte ", reader_.position(), " takes ",
                             n_bytes, " bytes, and the headers together more than ", *most),
                "If the file is trustworthy, raise limit_array_elements or limit_string_bytes.");
  }

  absl::Status read_string(std::string* to, absl::string_view what) {
    uint64_t size = 0;
    const uint64_t at = reader_.position();
    HADAL_RETURN_IF_ERROR(reader_.read(&size, what));
    HADAL_RETURN_IF_ERROR(claim(size, what));
    if (size > options_.limit_string_bytes) {
      return fail(HADAL_E_LIMIT,
                  absl::StrCat(path(), ": ", what, " at byte ", at, " has ", size,
                               " bytes; at most ", options_.limit_string_bytes, " are allowed"),
                  "If the file is trustworthy, raise the option limit_string_bytes.");
    }
    return reader_.append(size, to, what);
  }

  // Keys and names of tensors.
  absl::Status read_name(std::string* to, uint64_t most_bytes, absl::string_view what) {
    uint64_t size = 0;
    const uint64_t at = reader_.position();
    HADAL_RETURN_IF_ERROR(reader_.read(&size, what));
    if (size == 0 || size > most_bytes) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path(), ": ", what, " at byte ", at, ": wanted 1 to ", most_bytes,
                               " bytes, found ", size),
                  kDamaged);
    }
    HADAL_RETURN_IF_ERROR(claim(size, what));
    return reader_.append(size, to, what);
  }

  absl::Status read_entry() {
    GgufMetadata::Entry entry;
    entry.at = reader_.position();
    HADAL_RETURN_IF_ERROR(read_name(&entry.key, kMaxKeyBytes, "a metadata key"));
    if (!is_printable_ascii(entry.key)) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path(), ": the metadata key ", printable(entry.key), " at byte ",
                               entry.at, ": wanted printable ASCII"),
                  kDamaged);
    }
    HADAL_RETURN_IF_ERROR(read_type(entry, "type", &entry.value.type));
    switch (entry.value.type) {
      case GgufType::kString: {
        std::string& text = entry.value.value.emplace<std::string>();
        HADAL_RETURN_IF_ERROR(read_string(&text, entry.key));
        break;
      }
      case GgufType::kArray: {
        GgufArray& array = entry.value.value.emplace<GgufArray>();
        HADAL_RETURN_IF_ERROR(read_array(entry, &array));
        break;
      }
      default: {
        std::string bytes;
        HADAL_RETURN_IF_ERROR(
            reader_.append(smallest_bytes(entry.value.type), &bytes, printable(entry.key)));
        HADAL_RETURN_IF_ERROR(check_bools(entry, entry.value.type, bytes));
        entry.value.value = decode_scalar(entry.value.type, bytes.data());
      }
    }
    return gguf_.metadata.add(std::move(entry));
  }

  absl::Status read_type(const GgufMetadata::Entry& entry, absl::string_view what, GgufType* to) {
    uint32_t id = 0;
    const uint64_t at = reader_.position();
    HADAL_RETURN_IF_ERROR(reader_.read(&id, printable(entry.key)));
    if (id >= kGgufTypeCount) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path(), ": ", printable(entry.key), ": ", what, " ", id, " at byte ",
                               at, "; types are 0 to ", kGgufTypeCount - 1),
                  kDamaged);
    }
    *to = static_cast<GgufType>(id);
    return absl::OkStatus();
  }

  absl::Status check_bools(const GgufMetadata::Entry& entry, GgufType type,
                           absl::string_view bytes) const {
    if (type != GgufType::kBool) return absl::OkStatus();
    for (const char byte : bytes) {
      if (byte != 0 && byte != 1) {
        return gguf_.metadata.unwanted(entry, "a bool, 0 or 1",
                                       absl::StrCat(static_cast<uint8_t>(byte)));
      }
    }
    return absl::OkStatus();
  }

  absl::Status read_array(const GgufMetadata::Entry& entry, GgufArray* array) {
    const std::string key = printable(entry.key);
    HADAL_RETURN_IF_ERROR(read_type(entry, "element type", &array->element_type));
    if (array->element_type == GgufType::kArray) {
      return fail(
          HADAL_E_UNSUPPORTED,
          absl::StrCat(path(), ": ", key, " (at byte ", entry.at, ") is an array of arrays"),
          "No model needs one: remove the key from the file.");
    }
    const uint64_t at = reader_.position();
    HADAL_RETURN_IF_ERROR(reader_.read(&array->n_elements, key));
    const Checked least = Checked(array->n_elements) * smallest_bytes(array->element_type);
    const std::optional<uint64_t> least_bytes = least.at_most(reader_.remaining());
    if (!least_bytes) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(path(), ": ", key, ": ", array->n_elements, " elements of type ",
                               name(array->element_type), " announced at byte ", at, ", but only ",
                               reader_.remaining(), " bytes follow"),
                  "The file is truncated or damaged: compare its size and checksum.");
    }
    if (array->n_elements > options_.limit_array_elements) {
      return fail(HADAL_E_LIMIT,
                  absl::StrCat(path(), ": ", key, ": ", array->n_elements, " elements at byte ", at,
                               "; at most ", options_.limit_array_elements, " are allowed"),
                  "If the file is trustworthy, raise the option limit_array_elements.");
    }
    if (array->element_type != GgufType::kString) {
      HADAL_RETURN_IF_ERROR(claim(*least_bytes, key));
      HADAL_RETURN_IF_ERROR(reader_.append(*least_bytes, &array->bytes, key));
      return check_bools(entry, array->element_type, array->bytes);
    }
    for (uint64_t i = 0; i < array->n_elements; ++i) {
      // The length goes in front of the text once the text is known to be there.
      const size_t before = array->bytes.size();
      array->bytes.append(sizeof(uint64_t), '\0');
      HADAL_RETURN_IF_ERROR(read_string(&array->bytes, key));
      const uint64_t size = array->bytes.size() - before - sizeof(uint64_t);
      std::memcpy(array->bytes.data() + before, &size, sizeof size);
    }
    return absl::OkStatus();
  }

  absl::Status read_alignment(uint64_t* to) {
    *to = kDefaultAlignment;
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> given,
                           gguf_.metadata.integer("general.alignment"));
    if (!given) return absl::OkStatus();
    const uint64_t value = *given < 0 ? 0 : static_cast<uint64_t>(*given);
    if (value < kMinAlignment || value > kMaxAlignment || !std::has_single_bit(value)) {
      return gguf_.metadata.unwanted(
          *gguf_.metadata.find("general.alignment"),
          absl::StrCat("a power of two from ", kMinAlignment, " to ", kMaxAlignment),
          absl::StrCat(*given));
    }
    *to = value;
    return absl::OkStatus();
  }

  // One line of the table. Leaves the offset as it stands there, from the start of the data.
  absl::Status read_tensor(uint64_t number) {
    GgufTensor tensor;
    tensor.at = reader_.position();
    HADAL_RETURN_IF_ERROR(read_name(&tensor.name, kMaxTensorNameBytes, "a tensor's name"));
    if (has_control_characters(tensor.name))
      return wrong(tensor, "a control character in its name");
    const auto [first, is_new] = tensor_at_.try_emplace(tensor.name, tensor.at);
    if (!is_new) return wrong(tensor, absl::StrCat("stands already at byte ", first->second));

    uint32_t n_dimensions = 0;
    HADAL_RETURN_IF_ERROR(reader_.read(&n_dimensions, "a tensor's number of dimensions"));
    if (n_dimensions == 0 || n_dimensions > kMaxDimensions) {
      return wrong(tensor, absl::StrCat("wanted 1 to ", kMaxDimensions, " dimensions, found ",
                                        n_dimensions));
    }
    tensor.shape.resize(n_dimensions);
    Checked n_elements(1);
    for (uint32_t i = 0; i < n_dimensions; ++i) {
      uint64_t dimension = 0;
      HADAL_RETURN_IF_ERROR(reader_.read(&dimension, "a tensor's dimension"));
      n_elements = n_elements * dimension;
      if (dimension == 0 || !n_elements.at_most(kMaxInt64)) {
        return wrong(tensor, absl::StrCat("dimension ", i, " is ", dimension,
                                          dimension == 0 ? "" : ": more than 2^63 elements"));
      }
      tensor.shape[n_dimensions - 1 - i] = static_cast<int64_t>(dimension);
    }

    uint32_t type = 0;
    HADAL_RETURN_IF_ERROR(reader_.read(&type, "a tensor's type"));
    const absl::StatusOr<DType> dtype = dtype_of_gguf_type(type);
    if (!dtype.ok()) return prefix(described(tensor), dtype.status());
    tensor.dtype = *dtype;
    const DTypeInfo& block = info(tensor.dtype);
    if (tensor.shape.back() % block.block_elements != 0) {
      return wrong(tensor, absl::StrCat("rows of ", tensor.shape.back(), " elements, but ",
                                        block.name, " comes in blocks of ", block.block_elements));
    }
    const std::optional<uint64_t> elements = n_elements.at_most(kMaxInt64);
    HADAL_CHECK(elements.has_value());
    const Checked size = Checked(*elements / static_cast<uint64_t>(block.block_elements)) *
                         static_cast<uint64_t>(block.block_bytes);
    const std::optional<uint64_t> size_bytes = size.at_most(kMaxInt64);
    if (!size_bytes) return wrong(tensor, "more than 2^63 bytes");
    tensor.size_bytes = *size_bytes;
    HADAL_RETURN_IF_ERROR(reader_.read(&tensor.offset, "a tensor's offset"));
    HADAL_CHECK(gguf_.tensors.size() == number);
    gguf_.tensors.push_back(std::move(tensor));
    return absl::OkStatus();
  }

  // The data follow the table, each tensor padded to the alignment, in the order of the table: so
  // every offset is known before it is looked at. Only the padding behind the last may be missing.
  absl::Status place_tensors(uint64_t alignment) {
    const uint64_t file_size = file_->size_bytes();
    const Checked data_start = Checked(reader_.position()).rounded_up(alignment);
    Checked expected(0);
    for (GgufTensor& tensor : gguf_.tensors) {
      const std::optional<uint64_t> wanted = expected.at_most(kMaxInt64);
      if (!wanted) return wrong(tensor, "the tensors together have more than 2^63 bytes");
      if (tensor.offset != *wanted) {
        return wrong(tensor,
                     absl::StrCat("wanted offset ", *wanted,
                                  ", right behind the tensor before it, found ", tensor.offset));
      }
      const Checked start = data_start + *wanted;
      const std::optional<uint64_t> start_byte = start.at_most(file_size);
      if (!start_byte || !(start + tensor.size_bytes).at_most(file_size)) {
        return wrong(tensor, absl::StrCat(tensor.size_bytes, " bytes at offset ", *wanted,
                                          " of the data, but the file ends at byte ", file_size));
      }
      tensor.offset = *start_byte;
      expected = (expected + tensor.size_bytes).rounded_up(alignment);
    }
    return absl::OkStatus();
  }

  std::string described(const GgufTensor& tensor) const {
    return absl::StrCat(path(), ": tensor ", printable(tensor.name), " (at byte ", tensor.at, ")");
  }
  absl::Status wrong(const GgufTensor& tensor, absl::string_view what) const {
    return fail(HADAL_E_FORMAT, absl::StrCat(described(tensor), ": ", what), kDamaged);
  }

  static constexpr uint64_t kMaxInt64 = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

  std::shared_ptr<const File> file_;
  const CheckpointOptions& options_;
  GgufTotals& totals_;
  HeaderReader reader_;
  GgufFile gguf_;
  HashMap<std::string, uint64_t> tensor_at_;
};

}  // namespace

bool is_gguf(absl::string_view first_bytes) { return first_bytes.substr(0, 4) == kMagic; }

absl::StatusOr<GgufFile> read_gguf_file(std::shared_ptr<const File> file,
                                        const CheckpointOptions& options, GgufTotals& totals) {
  return Parser(std::move(file), options, totals).run();
}

}  // namespace hadal
