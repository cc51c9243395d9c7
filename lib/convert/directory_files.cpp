#include "lib/convert/directory_files.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "lib/base/json.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kConfig = "config.json";
constexpr absl::string_view kIndex = "model.safetensors.index.json";

// Where a folder cannot be listed: what directories of the family are known to have.
constexpr absl::string_view kKnownFiles[] = {"LICENSE",
                                             "LICENSE-CODE",
                                             "LICENSE-MODEL",
                                             "README.md",
                                             "added_tokens.json",
                                             "chat_template.jinja",
                                             "configuration_deepseek.py",
                                             "generation_config.json",
                                             "merges.txt",
                                             "modeling_deepseek.py",
                                             "special_tokens_map.json",
                                             "tiktoken.model",
                                             "tokenization_kimi.py",
                                             "tokenizer.json",
                                             "tokenizer_config.json",
                                             "vocab.json"};

// Weights, in whatever container, have been written already or are another copy of them.
bool is_copied(absl::string_view name) {
  if (name.empty() || name[0] == '.' || name == kConfig) return false;
  for (const absl::string_view weights :
       {".safetensors", ".index.json", ".bin", ".pt", ".pth", ".gguf", ".onnx", ".part"}) {
    if (absl::EndsWith(name, weights)) return false;
  }
  return true;
}

absl::StatusOr<std::string> read_text(const File& file, uint64_t limit) {
  if (file.size_bytes() > limit) {
    return fail(HADAL_E_LIMIT,
                absl::StrCat(file.path(), ": a text of ", file.size_bytes(), " bytes; at most ",
                             limit, " are allowed"),
                "If the file is trustworthy, raise the option limit_string_bytes.");
  }
  std::string text(static_cast<size_t>(file.size_bytes()), '\0');
  HADAL_RETURN_IF_ERROR(file.read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

// Transformers has called the key of the type torch_dtype, and dtype since 2025. Keys come out
// sorted, as Transformers writes them.
std::string changed_config(SortedJson& config, const DirectoryChange& change) {
  if (change.dequantised) {
    config.erase("quantization_config");
    if (config.contains("dtype")) config["dtype"] = "bfloat16";
    if (config.contains("torch_dtype") || !config.contains("dtype"))
      config["torch_dtype"] = "bfloat16";
  }
  if (change.without_mtp && config.contains("num_nextn_predict_layers"))
    config["num_nextn_predict_layers"] = 0;
  return write_indented_json(config) + "\n";
}

}  // namespace

absl::Status plan_directory_files(FileSystem& files, const std::string& from,
                                  const DirectoryChange& change, uint64_t limit_bytes,
                                  std::string index, OutputPlan& plan) {
  const absl::StatusOr<std::vector<std::string>> listed = files.list(from);
  std::vector<std::string> names;
  if (listed.ok()) {
    names = *listed;
  } else if (code_of(listed.status()) == HADAL_E_UNSUPPORTED) {
    for (const absl::string_view name : kKnownFiles) names.emplace_back(name);
  } else {
    return listed.status();
  }
  for (const std::string& name : names) {
    if (!is_copied(name)) continue;
    absl::StatusOr<std::shared_ptr<const File>> file = files.open(from + name);
    if (!file.ok() && code_of(file.status()) == HADAL_E_NOT_FOUND) continue;
    if (!file.ok()) return std::move(file).status();
    plan.copies.push_back({plan.directory + name, *std::move(file)});
  }
  const bool has_index = files.open(absl::StrCat(from, kIndex)).ok() || plan.files.size() > 1;
  if (has_index) plan.texts.push_back({absl::StrCat(plan.directory, kIndex), std::move(index)});

  HADAL_ASSIGN_OR_RETURN(const std::shared_ptr<const File> config,
                         files.open(absl::StrCat(from, kConfig)));
  HADAL_ASSIGN_OR_RETURN(const std::string text, read_text(*config, limit_bytes));
  HADAL_ASSIGN_OR_RETURN(JsonTree parsed, parse_tree(text, config->path()));
  plan.texts.push_back(
      {absl::StrCat(plan.directory, kConfig), changed_config(parsed.root(), change)});
  return absl::OkStatus();
}

}  // namespace hadal
