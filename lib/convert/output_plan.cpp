#include "lib/convert/output_plan.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/strip.h"
#include "lib/base/checked.hpp"
#include "lib/checkpoint/gguf_checkpoint.hpp"
#include "lib/checkpoint/hf_checkpoint.hpp"
#include "lib/convert/directory_files.hpp"
#include "lib/convert/gguf_file_writer.hpp"
#include "lib/convert/gguf_keys.hpp"
#include "lib/convert/safetensors_file_writer.hpp"
#include "lib/convert/tensor_list.hpp"

namespace hadal {
namespace {

constexpr size_t kMostSplitFiles = 65535;  // split.count has 16 bits

std::string five_digits(size_t number) {
  const std::string digits = absl::StrCat(number);
  return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

// In f32, and all together: from here on sizes are added and multiplied freely.
absl::Status check_sizes(const std::vector<OutputTensor>& tensors) {
  constexpr uint64_t kMostBytes = uint64_t{1} << 60;
  Checked bytes(0);
  for (const OutputTensor& tensor : tensors) {
    Checked of_tensor(sizeof(float));
    for (const int64_t d : tensor.shape) of_tensor = of_tensor * static_cast<uint64_t>(d);
    bytes = bytes + of_tensor;
    if (bytes.at_most(kMostBytes)) continue;
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat("with the tensor ", tensor.name, " there are more than ", kMostBytes,
                             " bytes in f32"),
                "No model is so large: the file is probably damaged.");
  }
  return absl::OkStatus();
}

// "a/b/model-dir/" -> "model-dir"
std::string last_component(absl::string_view directory) {
  while (absl::ConsumeSuffix(&directory, "/")) {
  }
  const std::string name(directory.substr(directory.rfind('/') + 1));
  return name.empty() || name == "." || name == ".." ? "model" : name;
}

class GgufPlanner {
 public:
  GgufPlanner(OutputPlan& plan, const ConversionOptions& options, const Log& log)
      : plan_(plan), options_(options), log_(log) {}

  absl::Status run(const std::string& to) {
    HADAL_ASSIGN_OR_RETURN(TensorList list,
                           list_gguf_tensors(*plan_.checkpoint, plan_.config, options_, log_));
    plan_.tensors = std::move(list.tensors);
    HADAL_RETURN_IF_ERROR(check_sizes(plan_.tensors));
    const GgufMetadata* had = gguf_metadata_of(*plan_.checkpoint);
    HADAL_ASSIGN_OR_RETURN(plan_.types,
                           choose_output_types(options_, had != nullptr, plan_.tensors, log_));
    if (options_.importance != nullptr) HADAL_RETURN_IF_ERROR(find_importance());

    const GgufShape shape{list.kv_b_is_joint, list.n_mtp_layers, file_type(had != nullptr)};
    GgufEntries keys;
    if (had != nullptr) {
      keys = changed_gguf_keys(*had, plan_.config, shape);
    } else {
      HADAL_ASSIGN_OR_RETURN(const Vocabulary vocabulary, plan_.checkpoint->vocabulary());
      if (vocabulary.tokens.size() > static_cast<size_t>(plan_.config.vocab_size)) {
        return fail(
            HADAL_E_FORMAT,
            absl::StrCat(vocabulary.source, ": the vocabulary has ", vocabulary.tokens.size(),
                         " tokens, the model only ", plan_.config.vocab_size, " rows"),
            "Tokenizer and weights are of different models: download both again.");
      }
      keys = gguf_keys_of_model(plan_.config, vocabulary,
                                last_component(*hf_directory_of(*plan_.checkpoint)), shape, log_);
    }
    if (options_.type != "keep") set_importance_keys(keys, options_.importance.get());
    return lay_out(std::move(keys), to);
  }

 private:
  // A rule changes single tensors, and the file is still called after the others.
  std::optional<uint32_t> file_type(bool from_gguf) const {
    if (options_.type != "keep") return gguf_file_type(options_.type);
    if (from_gguf) return std::nullopt;
    uint64_t bytes[kDTypeCount] = {};
    for (const OutputTensor& tensor : plan_.tensors)
      bytes[static_cast<int>(tensor.dtype)] += tensor.size_bytes();
    const auto most = std::max_element(std::begin(bytes), std::end(bytes)) - std::begin(bytes);
    return gguf_file_type(name(static_cast<DType>(most)));
  }

  absl::Status find_importance() {
    for (OutputTensor& tensor : plan_.tensors) {
      tensor.importance = options_.importance->find(tensor.name_in_file);
      const auto cols = static_cast<size_t>(tensor.cols());
      const auto slices = static_cast<size_t>(tensor.rows() / tensor.rows_per_slice());
      const size_t n = tensor.importance.size();
      if (n == 0 || n == cols || n == cols * slices) continue;
      return fail(HADAL_E_FORMAT,
                  absl::StrCat("the importance of ", tensor.name_in_file, " has ", n,
                               " numbers, wanted ", cols, " or ", cols * slices),
                  "The importance matrix is of another model.");
    }
    return absl::OkStatus();
  }

  GgufTensorToWrite line_of(size_t tensor) const {
    const OutputTensor& t = plan_.tensors[tensor];
    return {t.name_in_file, t.dtype, t.shape, t.size_bytes()};
  }

  // Index of the first tensor of every file, and the number of all at the end.
  std::vector<size_t> cuts(const GgufEntries& keys) const {
    constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
    const uint64_t most_bytes = options_.split_bytes > 0 ? options_.split_bytes : kNoLimit;
    const uint64_t most_tensors = options_.split_tensors > 0 ? options_.split_tensors : kNoLimit;
    std::vector<size_t> starts = {0};
    constexpr uint64_t kSplitKeys = 256, kPadding = 4096;  // what else a file takes, at most
    uint64_t bytes = gguf_metadata_bytes(keys) + kSplitKeys;
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      const GgufTensorToWrite line = line_of(i);
      const uint64_t more = line.size_bytes + gguf_table_bytes(line) + kPadding;
      const bool is_first = starts.back() == i;
      if (!is_first &&
          (i - starts.back() >= most_tensors || more > most_bytes || bytes > most_bytes - more)) {
        starts.push_back(i);
        bytes = kSplitKeys;
      }
      bytes += more;
    }
    starts.push_back(plan_.tensors.size());
    return starts;
  }

  // The first file carries the metadata, each the keys of the set.
  absl::Status lay_out(GgufEntries keys, const std::string& to) {
    const std::vector<size_t> starts = cuts(keys);
    const size_t n_files = starts.size() - 1;
    if (n_files > kMostSplitFiles) {
      return fail(HADAL_E_OUT_OF_RANGE,
                  absl::StrCat(to, ": cut so small it would be ", n_files, " files, of at most ",
                               kMostSplitFiles),
                  "Allow more bytes or tensors for each file.");
    }
    absl::string_view stem = to;
    absl::ConsumeSuffix(&stem, ".gguf");
    const GgufValue* alignment = keys.find("general.alignment");
    const std::optional<GgufValue> kept =
        alignment != nullptr ? std::optional(*alignment) : std::nullopt;
    for (size_t f = 0; f < n_files; ++f) {
      if (f > 0) {
        keys = GgufEntries();
        if (kept) keys.set("general.alignment", *kept);
      }
      if (n_files > 1) set_split_keys(keys, f, n_files, plan_.tensors.size());
      std::vector<GgufTensorToWrite> table;
      for (size_t i = starts[f]; i < starts[f + 1]; ++i) table.push_back(line_of(i));
      HADAL_ASSIGN_OR_RETURN(GgufLayout layout, lay_out_gguf(keys, table));
      plan_.files.push_back({n_files == 1 ? to
                                          : absl::StrCat(stem, "-", five_digits(f + 1), "-of-",
                                                         five_digits(n_files), ".gguf"),
                             std::move(layout.header), starts[f], std::move(layout.offsets),
                             layout.alignment, layout.size_bytes});
    }
    return absl::OkStatus();
  }

  OutputPlan& plan_;
  const ConversionOptions& options_;
  const Log& log_;
};

// A directory as it is, file by file, with or without its fp8.
absl::Status plan_directory(FileSystem& files, const std::string& to,
                            const ConversionOptions& options, const Log& log, OutputPlan& plan) {
  const std::string* from = hf_directory_of(*plan.checkpoint);
  const auto refuse = [&](absl::string_view what, absl::string_view hint) {
    return fail(HADAL_E_UNSUPPORTED, absl::StrCat(to, ": ", what), hint);
  };
  if (from == nullptr) {
    return refuse("a GGUF file cannot be written as a directory of safetensors",
                  "Write a GGUF file; the original directory is what was published.");
  }
  if (options.type != "bf16" && options.type != "keep") {
    return refuse(absl::StrCat("safetensors in ", options.type),
                  "hadal writes safetensors in bf16, or as they are (keep).");
  }
  if (!options.rules.empty() || options.importance != nullptr || options.split_bytes != 0 ||
      options.split_tensors != 0 || options.mtp == MtpLayers::kOnly ||
      options.kv_b == KvBForm::kSplit) {
    return refuse(
        "rules, importance, split, an MTP layer alone and kv_b in two halves are for "
        "GGUF files",
        "Leave them out: a directory keeps its tensors and files.");
  }
  const bool dequantised = options.type == "bf16";
  HADAL_ASSIGN_OR_RETURN(TensorList list, list_safetensors_tensors(*plan.checkpoint, plan.config,
                                                                   options, dequantised));
  plan.tensors = std::move(list.tensors);
  HADAL_RETURN_IF_ERROR(check_sizes(plan.tensors));
  plan.directory = to.empty() || to.back() == '/' ? to : to + "/";

  std::vector<std::pair<std::string, std::string>> index;
  uint64_t tensor_bytes = 0;
  for (size_t begin = 0; begin < plan.tensors.size();) {
    const int32_t file = plan.tensors[begin].runs[0].source->file;
    const std::string& old_path = plan.checkpoint->files()[static_cast<size_t>(file)]->path();
    const std::string name = old_path.substr(old_path.rfind('/') + 1);
    std::vector<SafetensorsTensorToWrite> table;
    size_t end = begin;
    for (; end < plan.tensors.size() && plan.tensors[end].runs[0].source->file == file; ++end) {
      OutputTensor& tensor = plan.tensors[end];
      if (dequantised && tensor.dtype == DType::kF8_E4M3) {
        tensor.dtype = DType::kBF16;
        ++plan.types.encoded;
      }
      table.push_back({tensor.name_in_file, tensor.dtype, tensor.shape, tensor.size_bytes()});
      tensor_bytes += tensor.size_bytes();
      index.emplace_back(tensor.name_in_file, name);
    }
    HADAL_ASSIGN_OR_RETURN(SafetensorsLayout layout, lay_out_safetensors(table));
    plan.files.push_back({plan.directory + name, std::move(layout.header), begin,
                          std::move(layout.offsets), 1, layout.size_bytes});
    begin = end;
  }
  if (dequantised && plan.types.encoded == 0) {
    log.warning("convert", absl::StrCat(*from,
                                        ": no tensor is in fp8, so all of them stay as they "
                                        "are"));
  }
  const DirectoryChange change{dequantised, options.mtp == MtpLayers::kDrop};
  return plan_directory_files(files, *from, change, options.checkpoint.limit_string_bytes,
                              safetensors_index_text(index, tensor_bytes), plan);
}

uint64_t scales_bytes(const RowRun& run) {
  return run.scales != nullptr ? run.scales->size_bytes : 0;
}

}  // namespace

uint64_t OutputPlan::bytes_to_write() const {
  uint64_t n = 0;
  for (const PlannedFile& file : files) n += file.size_bytes;
  for (const PlannedCopy& copy : copies) n += copy.source->size_bytes();
  for (const PlannedText& text : texts) n += text.text.size();
  return n;
}

uint64_t OutputPlan::bytes_to_read() const {
  uint64_t n = 0;
  for (const OutputTensor& tensor : tensors) {
    for (const RowRun& run : tensor.runs) {
      const int64_t cols = run.source->shape.back();
      const int64_t rows = run.transposed ? tensor.cols() : run.n_rows;
      n += static_cast<uint64_t>(rows * row_bytes(run.source->dtype, cols)) + scales_bytes(run);
    }
  }
  for (const PlannedCopy& copy : copies) n += copy.source->size_bytes();
  return n;
}

uint64_t OutputPlan::largest_file_bytes() const {
  uint64_t n = 0;
  for (const PlannedFile& file : files) n = std::max(n, file.size_bytes);
  return n;
}

absl::StatusOr<OutputPlan> plan_output(FileSystem& files, const std::string& from,
                                       const std::string& to, const ConversionOptions& options,
                                       const Log& log) {
  if (to.empty()) {
    return fail(HADAL_E_INVALID_ARGUMENT, "the path to write to is empty", "Give a path.");
  }
  OutputPlan plan;
  HADAL_ASSIGN_OR_RETURN(plan.checkpoint, open_checkpoint(files, from, options.checkpoint, log));
  HADAL_ASSIGN_OR_RETURN(plan.config, read_config(*plan.checkpoint));
  const absl::Status status = options.to_safetensors ? plan_directory(files, to, options, log, plan)
                                                     : GgufPlanner(plan, options, log).run(to);
  if (!status.ok()) return status;
  return plan;
}

}  // namespace hadal
