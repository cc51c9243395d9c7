#include "lib/checkpoint/gguf_types.hpp"

#include <optional>

namespace hadal {
namespace {

struct TypeId {
  uint32_t id;
  DType dtype;
};
constexpr TypeId kTypes[] = {
    {0, DType::kF32},      {1, DType::kF16},     {2, DType::kQ4_0},     {3, DType::kQ4_1},
    {6, DType::kQ5_0},     {7, DType::kQ5_1},    {8, DType::kQ8_0},     {10, DType::kQ2_K},
    {11, DType::kQ3_K},    {12, DType::kQ4_K},   {13, DType::kQ5_K},    {14, DType::kQ6_K},
    {16, DType::kIQ2_XXS}, {17, DType::kIQ2_XS}, {18, DType::kIQ3_XXS}, {19, DType::kIQ1_S},
    {20, DType::kIQ4_NL},  {21, DType::kIQ3_S},  {22, DType::kIQ2_S},   {23, DType::kIQ4_XS},
    {24, DType::kI8},      {25, DType::kI16},    {26, DType::kI32},     {27, DType::kI64},
    {28, DType::kF64},     {29, DType::kIQ1_M},  {30, DType::kBF16},    {34, DType::kTQ1_0},
    {35, DType::kTQ2_0},   {39, DType::kMXFP4},  {40, DType::kNVFP4},   {41, DType::kQ1_0},
    {42, DType::kQ2_0},
};

struct NamedId {
  uint32_t id;
  const char* name;
};
constexpr NamedId kRetired[] = {
    {4, "q4_2"},      {5, "q4_3"},        {31, "q4_0_4_4"},   {32, "q4_0_4_8"},
    {33, "q4_0_8_8"}, {36, "iq4_nl_4_4"}, {37, "iq4_nl_4_8"}, {38, "iq4_nl_8_8"},
};
constexpr NamedId kActivations[] = {{9, "q8_1"}, {15, "q8_k"}};
constexpr NamedId kIkLlama[] = {
    {133, "q6_0"},  {137, "iq2_k"}, {138, "iq3_k"},  {139, "iq4_k"},
    {140, "iq5_k"}, {141, "iq6_k"}, {144, "iq4_ks"},
};

template <size_t n>
const char* find_name(const NamedId (&table)[n], uint32_t id) {
  for (const NamedId& entry : table) {
    if (entry.id == id) return entry.name;
  }
  return nullptr;
}

bool is_private_to_ik_llama(uint32_t id) {
  return (id >= 97 && id <= 99) || (id >= 133 && id <= 158) || (id >= 202 && id <= 399);
}

}  // namespace

absl::StatusOr<DType> dtype_of_gguf_type(uint32_t id) {
  for (const TypeId& entry : kTypes) {
    if (entry.id == id) return entry.dtype;
  }
  if (const char* name = find_name(kRetired, id)) {
    return fail(HADAL_E_UNSUPPORTED, absl::StrCat("type ", id, " (", name, ") has been retired"),
                "Convert or quantise the model again with a current tool.");
  }
  if (const char* name = find_name(kActivations, id)) {
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat("type ", id, " (", name, ") is for activations, not for weights"),
                "Quantise the model again; no tool should write this type into a file.");
  }
  if (is_private_to_ik_llama(id)) {
    const char* name = find_name(kIkLlama, id);
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat("type ", id, name == nullptr ? "" : absl::StrCat(" (", name, ")"),
                             " is private to ik_llama.cpp"),
                "Use a file quantised with the types of the GGUF standard.");
  }
  return fail(HADAL_E_FORMAT, absl::StrCat("type ", id, " is not known"),
              "The file is damaged, or newer than this version of hadal.");
}

std::optional<uint32_t> gguf_type_of(DType dtype) {
  for (const TypeId& entry : kTypes) {
    if (entry.dtype == dtype) return entry.id;
  }
  return std::nullopt;
}

}  // namespace hadal
