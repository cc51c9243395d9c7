#include "tests/checkpoint/gguf_validator.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "tests/checkpoint/gguf_writer.hpp"

namespace hadal::test {
namespace {

// Of each type: elements and bytes of a block. Written down again, not taken from lib/tensor.
struct Block {
  uint32_t id;
  uint64_t elements, bytes;
};
constexpr Block kBlocks[] = {
    {0, 1, 4},     {1, 1, 2},      {2, 32, 18},    {3, 32, 20},    {6, 32, 22},    {7, 32, 24},
    {8, 32, 34},   {10, 256, 84},  {11, 256, 110}, {12, 256, 144}, {13, 256, 176}, {14, 256, 210},
    {16, 256, 66}, {17, 256, 74},  {18, 256, 98},  {19, 256, 50},  {20, 32, 18},   {21, 256, 110},
    {22, 256, 82}, {23, 256, 136}, {24, 1, 1},     {25, 1, 2},     {26, 1, 4},     {27, 1, 8},
    {28, 1, 8},    {29, 256, 56},  {30, 1, 2},     {34, 256, 54},  {35, 256, 66},  {39, 32, 17},
    {40, 64, 36},  {41, 128, 18},  {42, 64, 18},
};
const Block* block_of(uint32_t id) {
  for (const Block& block : kBlocks) {
    if (block.id == id) return &block;
  }
  return nullptr;
}

// All of a file, read byte by byte. After the first problem every read gives zeros.
class Cursor {
 public:
  explicit Cursor(const std::string& bytes) : bytes_(bytes) {}

  uint64_t number(int n_bytes) {
    uint64_t value = 0;
    for (int i = 0; i < n_bytes; ++i) {
      value |= uint64_t{static_cast<uint8_t>(next())} << (8 * i);
    }
    return value;
  }
  std::string text(uint64_t size) {
    std::string out;
    while (problem.empty() && out.size() < size) out += next();
    return out;
  }
  uint64_t position() const { return at_; }
  uint64_t rest() const { return bytes_.size() - at_; }

  std::string problem;

 private:
  char next() {
    if (at_ == bytes_.size() && problem.empty()) problem = "the file ends";
    if (!problem.empty()) return 0;
    return bytes_[at_++];
  }
  const std::string& bytes_;
  size_t at_ = 0;
};

bool product_is_at_most(uint64_t a, uint64_t b, uint64_t most) { return b == 0 || a <= most / b; }

// Reads a value and forgets it, but for that of an integer.
uint64_t read_value(Cursor& c, uint32_t type, bool may_be_array) {
  switch (type) {
    case 0:
    case 1: return c.number(1);
    case 2:
    case 3: return c.number(2);
    case 4:
    case 5:
    case 6: return c.number(4);
    case 7:
      if (c.number(1) > 1) c.problem = "a bool that is none";
      return 0;
    case 8: c.text(c.number(8)); return 0;
    case 9: {
      const auto element = static_cast<uint32_t>(c.number(4));
      const uint64_t n = c.number(8);
      if (!may_be_array || element == 9) c.problem = "an array of arrays";
      if (element > 12) c.problem = "an unknown element type";
      for (uint64_t i = 0; i < n && c.problem.empty(); ++i) read_value(c, element, false);
      return 0;
    }
    case 10:
    case 11:
    case 12: return c.number(8);
    default: c.problem = "an unknown type"; return 0;
  }
}

bool is_signed(uint32_t type) { return type == 1 || type == 3 || type == 5 || type == 11; }
bool is_any_integer(uint32_t type) { return type <= 5 || type == 10 || type == 11; }
int width(uint32_t type) { return type <= 1 ? 1 : type <= 3 ? 2 : type <= 5 ? 4 : 8; }

}  // namespace

PlainGguf read_plainly(const std::string& bytes) {
  PlainGguf out;
  Cursor c(bytes);
  const auto broken = [&](const std::string& why) {
    out.problem = why;
    return out;
  };
  if (c.text(4) != "GGUF") return broken("magic");
  const uint64_t version = c.number(4);
  if (version != 2 && version != 3) return broken("version");
  const uint64_t n_tensors = c.number(8);
  const uint64_t n_entries = c.number(8);

  std::set<std::string> keys;
  uint64_t alignment = 32;
  for (uint64_t i = 0; i < n_entries && c.problem.empty(); ++i) {
    const uint64_t size = c.number(8);
    if (size == 0 || size > 65535) return broken("size of a key");
    const std::string key = c.text(size);
    if (std::any_of(key.begin(), key.end(), [](char b) { return b < 32 || b > 126; })) {
      return broken("letters of a key");
    }
    if (!keys.insert(key).second) return broken("a key twice");
    out.keys.push_back(key);
    const auto type = static_cast<uint32_t>(c.number(4));
    const uint64_t value = read_value(c, type, true);
    if (!c.problem.empty()) return broken(c.problem);
    if (key == "general.alignment") {
      const bool is_negative =
          is_any_integer(type) && is_signed(type) && (value >> (8 * width(type) - 1)) == 1;
      if (!is_any_integer(type) || is_negative) return broken("type of the alignment");
      alignment = value;
      bool is_power = false;
      for (uint64_t power = 8; power <= 2097152; power *= 2) is_power |= alignment == power;
      if (!is_power) return broken("alignment");
    }
  }
  std::set<std::string> names;
  for (uint64_t i = 0; i < n_tensors && c.problem.empty(); ++i) {
    PlainGguf::Tensor tensor;
    const uint64_t size = c.number(8);
    if (size == 0 || size > 63) return broken("size of a name");
    tensor.name = c.text(size);
    for (const char letter : tensor.name) {
      if (static_cast<uint8_t>(letter) < 32 || letter == 127) return broken("letters of a name");
    }
    if (!names.insert(tensor.name).second) return broken("a name twice");
    const uint64_t n_dimensions = c.number(4);
    if (n_dimensions < 1 || n_dimensions > 4) return broken("number of dimensions");
    uint64_t n_elements = 1;
    for (uint64_t k = 0; k < n_dimensions; ++k) {
      const uint64_t dimension = c.number(8);
      if (dimension == 0 || !product_is_at_most(n_elements, dimension, INT64_MAX)) {
        return broken("dimensions");
      }
      n_elements *= dimension;
      tensor.dimensions.push_back(dimension);
    }
    tensor.type = static_cast<uint32_t>(c.number(4));
    const Block* block = block_of(tensor.type);
    if (block == nullptr) return broken("type of a tensor");
    if (tensor.dimensions[0] % block->elements != 0) return broken("part of a block");
    if (!product_is_at_most(n_elements / block->elements, block->bytes, INT64_MAX)) {
      return broken("size of a tensor");
    }
    tensor.size_bytes = n_elements / block->elements * block->bytes;
    tensor.offset = c.number(8);
    out.tensors.push_back(tensor);
  }
  if (!c.problem.empty()) return broken(c.problem);

  uint64_t data_start = c.position();
  while (data_start % alignment != 0) ++data_start;
  uint64_t offset = 0;  // where the next tensor must begin, never beyond the file
  for (PlainGguf::Tensor& tensor : out.tensors) {
    if (tensor.offset != offset) return broken("an offset");
    if (data_start > bytes.size() || offset > bytes.size() - data_start ||
        tensor.size_bytes > bytes.size() - data_start - offset) {
      return broken("a tensor beyond the end");
    }
    tensor.offset = data_start + offset;
    offset += tensor.size_bytes;
    while (offset % alignment != 0) ++offset;
  }
  out.is_sound = true;
  return out;
}

namespace {

template <class Entry>
std::string compare(const PlainGguf::Tensor& plain, const Entry& entry, const std::string& name) {
  const Block* block = block_of(plain.type);
  std::vector<int64_t> shape;
  for (const uint64_t dimension : plain.dimensions) {
    shape.insert(shape.begin(), static_cast<int64_t>(dimension));
  }
  if (name != plain.name) return plain.name + ": another name";
  if (entry.shape != shape) return plain.name + ": another shape";
  const DTypeInfo& type = info(entry.dtype);
  if (static_cast<uint64_t>(type.block_elements) != block->elements ||
      static_cast<uint64_t>(type.block_bytes) != block->bytes) {
    return plain.name + ": another type";
  }
  if (entry.offset != plain.offset || entry.size_bytes != plain.size_bytes) {
    return plain.name + ": another place";
  }
  return "";
}

}  // namespace

std::string problem_of(const GgufFile& file, const std::string& bytes) {
  const PlainGguf plain = read_plainly(bytes);
  if (!plain.is_sound) return "accepted in spite of: " + plain.problem;
  if (file.metadata.entries().size() != plain.keys.size()) return "another number of keys";
  for (size_t i = 0; i < plain.keys.size(); ++i) {
    if (file.metadata.entries()[i].key != plain.keys[i]) return "another key";
  }
  if (file.tensors.size() != plain.tensors.size()) return "another number of tensors";
  for (size_t i = 0; i < plain.tensors.size(); ++i) {
    const std::string problem = compare(plain.tensors[i], file.tensors[i], file.tensors[i].name);
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string problem_of(const Checkpoint& checkpoint, const std::vector<std::string>& files) {
  if (checkpoint.files().size() != files.size()) return "another number of files";
  const std::vector<TensorEntry>& entries = checkpoint.manifest().entries();
  size_t next = 0;
  std::set<std::string> names;
  for (size_t i = 0; i < files.size(); ++i) {
    const PlainGguf plain = read_plainly(files[i]);
    if (!plain.is_sound) return "accepted in spite of: " + plain.problem;
    uint64_t end_of_last = 0;
    for (const PlainGguf::Tensor& tensor : plain.tensors) {
      if (next == entries.size()) return "a tensor is missing";
      const TensorEntry& entry = entries[next++];
      if (static_cast<size_t>(entry.file) != i) return entry.name + ": in another file";
      const std::string problem = compare(tensor, entry, entry.name_in_file);
      if (!problem.empty()) return problem;
      if (!names.insert(entry.name).second) return entry.name + ": a name twice";
      if (checkpoint.manifest().find(entry.name) != &entry) return entry.name + ": not found";
      if (entry.offset < end_of_last) return entry.name + ": overlaps";
      end_of_last = entry.offset + entry.size_bytes;
      if (end_of_last > files[i].size()) return entry.name + ": beyond the end";
    }
  }
  return next == entries.size() ? "" : "a tensor too many";
}

namespace {

class Hash {
 public:
  void add(absl::string_view text) {
    add(text.size());
    for (const char c : text) step(static_cast<uint8_t>(c));
  }
  void add(uint64_t value) {
    for (int i = 0; i < 8; ++i) step(static_cast<uint8_t>(value >> (8 * i)));
  }
  uint64_t value() const { return value_; }

 private:
  void step(uint8_t byte) { value_ = (value_ ^ byte) * 1099511628211u; }  // FNV-1a
  uint64_t value_ = 14695981039346656037u;
};

}  // namespace

uint64_t fingerprint(const Checkpoint& checkpoint) {
  Hash hash;
  for (const TensorEntry& entry : checkpoint.manifest().entries()) {
    hash.add(entry.name);
    hash.add(name(entry.dtype));
    for (const int64_t dimension : entry.shape) hash.add(static_cast<uint64_t>(dimension));
    hash.add(entry.offset);
    hash.add(entry.size_bytes);
  }
  for (const std::string& key : checkpoint.metadata_keys()) {
    hash.add(key);
    hash.add(checkpoint.metadata(key).value_or("?"));
  }
  for (const char* name :
       {"vocab_size", "hidden_size", "num_hidden_layers", "num_nextn_predict_layers", "q_lora_rank",
        "qk_nope_head_dim", "v_head_dim", "n_group", "topk_group"}) {
    const auto value = checkpoint.integer(name);
    hash.add(value.ok() ? static_cast<uint64_t>(value->value_or(-1)) : 1u << 20);
  }
  const absl::StatusOr<Vocabulary> vocabulary = checkpoint.vocabulary();
  hash.add(vocabulary.ok() ? vocabulary->tokens.size() : 1u << 20);
  return hash.value();
}

}  // namespace hadal::test
