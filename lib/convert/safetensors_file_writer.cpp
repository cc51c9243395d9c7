#include "lib/convert/safetensors_file_writer.hpp"

#include <cstring>

#include "lib/base/json.hpp"

namespace hadal {
namespace {

const char* safetensors_type(DType dtype) {
  switch (dtype) {
    case DType::kF64: return "F64";
    case DType::kF32: return "F32";
    case DType::kF16: return "F16";
    case DType::kBF16: return "BF16";
    case DType::kF8_E4M3: return "F8_E4M3";
    case DType::kF8_E8M0: return "F8_E8M0";
    case DType::kI64: return "I64";
    case DType::kI32: return "I32";
    case DType::kI16: return "I16";
    case DType::kI8: return "I8";
    default: return nullptr;
  }
}

std::string as_json(absl::string_view text) { return write_json(Json(std::string(text))); }

}  // namespace

// Put together as text: a tree of V3's ten thousands of names would look each new one up among all.
absl::StatusOr<SafetensorsLayout> lay_out_safetensors(
    std::span<const SafetensorsTensorToWrite> tensors) {
  SafetensorsLayout layout;
  std::string text = R"({"__metadata__":{"format":"pt"})";
  uint64_t at = 0;
  for (const SafetensorsTensorToWrite& tensor : tensors) {
    const char* const type = safetensors_type(tensor.dtype);
    if (type == nullptr) {
      return fail(HADAL_E_UNSUPPORTED,
                  absl::StrCat("the tensor ", tensor.name, ": no safetensors file has ",
                               name(tensor.dtype)),
                  "Write a GGUF file, or another type.");
    }
    absl::StrAppend(&text, ",", as_json(tensor.name), R"(:{"dtype":")", type, R"(","shape":[)");
    for (size_t i = 0; i < tensor.shape.size(); ++i)
      absl::StrAppend(&text, i == 0 ? "" : ",", tensor.shape[i]);
    absl::StrAppend(&text, R"(],"data_offsets":[)", at, ",", at + tensor.size_bytes, "]}");
    layout.offsets.push_back(at);
    at += tensor.size_bytes;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data are aligned
  const uint64_t size = text.size();
  layout.header.assign(reinterpret_cast<const char*>(&size), sizeof size);
  layout.header += text;
  for (uint64_t& offset : layout.offsets) offset += layout.header.size();
  layout.size_bytes = layout.header.size() + at;
  return layout;
}

std::string safetensors_index_text(
    std::span<const std::pair<std::string, std::string>> file_of_tensor, uint64_t total_bytes) {
  std::string text = absl::StrCat("{\n  \"metadata\": {\n    \"total_size\": ", total_bytes,
                                  "\n  },\n  \"weight_map\": {");
  const char* separator = "\n    ";
  for (const auto& [tensor, file] : file_of_tensor) {
    absl::StrAppend(&text, separator, as_json(tensor), ": ", as_json(file));
    separator = ",\n    ";
  }
  return text + "\n  }\n}\n";
}

}  // namespace hadal
