// GGUF's names for what config.json and the released code call otherwise: keys and tensors.
#pragma once

#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace hadal {

inline constexpr absl::string_view kGgufArchitecture = "deepseek2";

enum class GgufKind { kInteger, kReal, kFlag, kText, kStrings, kIntegers };

// A key that hadal reads, with the type that it must have. `name` is config.json's; null where no
// number of config.json corresponds.
struct GgufKeyName {
  const char* key;  // behind "deepseek2." unless it begins with a dot
  GgufKind kind;
  const char* name;
};
std::span<const GgufKeyName> gguf_key_names();

// "deepseek2.<key>"; a key that begins with a dot is whole already.
std::string full_gguf_key(absl::string_view key);

// The name in a file of a tensor that hadal calls so; empty where it has none.
std::string gguf_tensor_name(absl::string_view name);

// hadal's name for a tensor, or the file's own where hadal has none.
std::string translated_gguf_tensor(absl::string_view in_file);

}  // namespace hadal
