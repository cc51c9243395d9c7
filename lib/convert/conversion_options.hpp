// What a conversion is asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/convert/importance.hpp"
#include "lib/convert/type_rules.hpp"

namespace hadal {

enum class MtpLayers { kKeep, kDrop, kOnly };
// kAuto: in two halves out of a directory, as it is out of a GGUF file.
enum class KvBForm { kAuto, kSplit, kJoint, kKeep };

struct ConversionOptions {
  std::string type = "keep";  // or the name of a type or mix, in lower case
  bool to_safetensors = false;
  std::vector<TypeRule> rules;
  std::shared_ptr<const Importance> importance;  // may be null
  uint64_t split_bytes = 0;                      // 0: one file
  uint64_t split_tensors = 0;                    // the same
  MtpLayers mtp = MtpLayers::kKeep;
  KvBForm kv_b = KvBForm::kAuto;
  bool overwrite = false;
  CheckpointOptions checkpoint;
};

}  // namespace hadal
