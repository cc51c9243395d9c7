#include "lib/checkpoint/hf_checkpoint.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "lib/checkpoint/header_reader.hpp"
#include "lib/checkpoint/hf_config.hpp"
#include "lib/checkpoint/safetensors_set.hpp"
#include "lib/checkpoint/tiktoken_model.hpp"
#include "lib/checkpoint/tokenizer_json.hpp"

namespace hadal {
namespace {

constexpr char kConfig[] = "config.json";
constexpr char kGenerationConfig[] = "generation_config.json";
constexpr char kTokenizer[] = "tokenizer.json";
constexpr char kTiktokenModel[] = "tiktoken.model";  // Kimi-K2 and Moonlight, in its place
constexpr char kTokenizerConfig[] = "tokenizer_config.json";
constexpr char kChatTemplate[] = "chat_template.jinja";  // where Transformers puts it since 2025
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kWeights[] = "model.safetensors";

// hadal's names are those of the released code without the words that stand in all of them.
std::string translated_tensor(absl::string_view in_file) {
  absl::string_view name = in_file;
  if (!absl::ConsumePrefix(&name, "model.") && name != "lm_head.weight") return std::string(name);
  absl::ConsumeSuffix(&name, ".weight");
  return std::string(name);
}

// The file, or null where there is none.
absl::StatusOr<std::shared_ptr<const File>> open_if_there(FileSystem& files,
                                                          const std::string& path) {
  absl::StatusOr<std::shared_ptr<const File>> file = files.open(path);
  if (!file.ok() && code_of(file.status()) == HADAL_E_NOT_FOUND) return nullptr;
  return file;
}

// A whole text; nothing of a file that is not there.
absl::StatusOr<std::string> read_text(const File* file, uint64_t limit) {
  std::string text;
  if (file == nullptr) return text;
  if (file->size_bytes() > limit) {
    return fail(HADAL_E_LIMIT,
                absl::StrCat(file->path(), ": a text of ", file->size_bytes(), " bytes; at most ",
                             limit, " are allowed"),
                "If the file is trustworthy, raise the option limit_string_bytes.");
  }
  text.resize(static_cast<size_t>(file->size_bytes()));
  HADAL_RETURN_IF_ERROR(file->read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

// The files of a directory that hadal reads, weights apart.
struct Texts {
  std::shared_ptr<const File> config, generation_config, tokenizer, tiktoken_model,
      tokenizer_config, chat_template;
};

absl::StatusOr<Texts> open_texts(FileSystem& files, const std::string& directory) {
  Texts texts;
  HADAL_ASSIGN_OR_RETURN(texts.config, open_if_there(files, directory + kConfig));
  if (texts.config == nullptr) {
    return fail(HADAL_E_NOT_FOUND,
                absl::StrCat(directory, kConfig, ": wanted beside the weights, found no such file"),
                "A checkpoint in safetensors is a directory: config.json, the weights, "
                "tokenizer.json and tokenizer_config.json, as they were published.");
  }
  HADAL_ASSIGN_OR_RETURN(texts.generation_config,
                         open_if_there(files, directory + kGenerationConfig));
  HADAL_ASSIGN_OR_RETURN(texts.tokenizer, open_if_there(files, directory + kTokenizer));
  if (texts.tokenizer == nullptr) {
    HADAL_ASSIGN_OR_RETURN(texts.tiktoken_model, open_if_there(files, directory + kTiktokenModel));
  }
  HADAL_ASSIGN_OR_RETURN(texts.tokenizer_config,
                         open_if_there(files, directory + kTokenizerConfig));
  HADAL_ASSIGN_OR_RETURN(texts.chat_template, open_if_there(files, directory + kChatTemplate));
  return texts;
}

class HfCheckpoint : public Checkpoint {
 public:
  HfCheckpoint(std::string directory, Texts texts, HfConfig config, uint64_t limit_string_bytes)
      : directory_(std::move(directory)),
        texts_(std::move(texts)),
        config_(std::move(config)),
        limit_string_bytes_(limit_string_bytes) {}

  absl::Status fill_manifest(SafetensorsSet set, const CheckpointOptions& options) {
    missing_ = std::move(set.missing);
    std::vector<SafetensorsFile>& shards = set.files;
    for (size_t i = 0; i < shards.size(); ++i) {
      for (SafetensorsTensor& tensor : shards[i].tensors) {
        if (tensor.size_bytes == 0) continue;  // no model has a tensor without elements
        TensorEntry entry;
        entry.name = translated_tensor(tensor.name);
        entry.name_in_file = std::move(tensor.name);
        entry.dtype = tensor.dtype;
        entry.shape = std::move(tensor.shape);
        if (entry.shape.empty()) entry.shape = {1};
        entry.file = static_cast<int32_t>(i);
        entry.offset = tensor.offset;
        entry.size_bytes = tensor.size_bytes;
        const absl::Status added = manifest_.add(std::move(entry));
        if (!added.ok()) return prefix(shards[i].file->path(), added);
      }
      files_.push_back(std::move(shards[i].file));
    }
    if (options.only_mtp_layers || options.allow_missing_files) return absl::OkStatus();
    // An MTP layer alone lacks more than its head; what, the model says.
    if (manifest_.find("layers.0.input_layernorm") == nullptr) return absl::OkStatus();
    HADAL_ASSIGN_OR_RETURN(const std::optional<bool> tied, flag("tie_word_embeddings"));
    if (tied.value_or(false) || manifest_.find("lm_head") != nullptr) return absl::OkStatus();
    return fail(
        HADAL_E_FORMAT,
        absl::StrCat(files_.front()->path(), files_.size() > 1 ? " and the other files" : "",
                     ": the tensor lm_head.weight is missing"),
        "tie_word_embeddings in config.json is not true, so the head is a tensor of its "
        "own: download the weights again.");
  }

  absl::StatusOr<std::optional<int64_t>> integer(absl::string_view name) const override {
    if (name == "num_nextn_predict_layers") return num_nextn_predict_layers();
    return config_.integer(name);
  }
  absl::StatusOr<std::optional<double>> real(absl::string_view name) const override {
    return config_.real(name);
  }
  absl::StatusOr<std::optional<bool>> flag(absl::string_view name) const override {
    return config_.flag(name);
  }
  absl::StatusOr<std::optional<std::string>> text(absl::string_view name) const override {
    return config_.text(name);
  }
  std::string spelling(absl::string_view name) const override { return config_.spelling(name); }

  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::shared_ptr<const File>>& files() const override { return files_; }
  std::vector<std::string> missing_files() const override { return missing_; }

  absl::StatusOr<Vocabulary> vocabulary() const override {
    HADAL_ASSIGN_OR_RETURN(Vocabulary vocabulary, read_vocabulary());
    HADAL_ASSIGN_OR_RETURN(std::string chat_template, read(texts_.chat_template));
    if (!chat_template.empty()) vocabulary.chat_template = std::move(chat_template);
    HADAL_RETURN_IF_ERROR(add_ids(vocabulary));
    return vocabulary;
  }

  const std::string& directory() const { return directory_; }

  std::vector<std::string> metadata_keys() const override { return config_.keys(); }
  std::optional<std::string> metadata(absl::string_view key) const override {
    return config_.formatted(key);
  }

 private:
  absl::StatusOr<std::string> read(const std::shared_ptr<const File>& file) const {
    return read_text(file.get(), limit_string_bytes_);
  }

  absl::StatusOr<Vocabulary> read_vocabulary() const {
    const std::string path = directory_ + kTokenizer;
    HADAL_ASSIGN_OR_RETURN(const std::string tokenizer_config, read(texts_.tokenizer_config));
    if (texts_.tokenizer != nullptr) {
      HADAL_ASSIGN_OR_RETURN(const std::string tokenizer, read(texts_.tokenizer));
      return read_tokenizer_json(tokenizer, tokenizer_config, path);
    }
    if (texts_.tiktoken_model != nullptr) {
      HADAL_ASSIGN_OR_RETURN(const std::string model, read(texts_.tiktoken_model));
      HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> vocab_size,
                             config_.integer("vocab_size"));
      return read_tiktoken_model(model, tokenizer_config, vocab_size, directory_ + kTiktokenModel);
    }
    return fail(
        HADAL_E_NOT_FOUND,
        absl::StrCat(path, ": wanted beside config.json, or ", kTiktokenModel, ", found neither"),
        "Put the tokenizer.json of this model there (Transformers can write it), or the "
        "tiktoken.model of Kimi-K2 or Moonlight, or use a GGUF file, which has its "
        "tokenizer inside.");
  }

  // Copies of a model are often published without the layer, and with the configuration as it was.
  absl::StatusOr<std::optional<int64_t>> num_nextn_predict_layers() const {
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> said,
                           config_.integer("num_nextn_predict_layers"));
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> layers,
                           config_.integer("num_hidden_layers"));
    if (said.value_or(0) == 0 || !layers) return said;
    const std::string first = absl::StrCat("layers.", *layers, ".");
    const auto& entries = manifest_.entries();
    const bool is_there = std::any_of(entries.begin(), entries.end(), [&](const TensorEntry& e) {
      return absl::StartsWith(e.name, first);
    });
    return is_there ? said : 0;
  }

  // Adds the ids that end a turn by the other two files.
  absl::Status add_ids(Vocabulary& vocabulary) const {
    const auto n_tokens = static_cast<int64_t>(vocabulary.tokens.size());
    HADAL_ASSIGN_OR_RETURN(const std::vector<int64_t> eos, config_.eos_ids());
    HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> bos, config_.bos_id());
    std::vector<int64_t> all = eos;
    if (bos) all.push_back(*bos);
    for (const int64_t id : all) {
      if (id < n_tokens) continue;
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(directory_, kConfig, " or ", kGenerationConfig,
                               ": bos_token_id or eos_token_id: wanted the id of one of ", n_tokens,
                               " tokens, found ", id),
                  "Configuration and tokenizer are of different models: download both again.");
    }
    for (const int64_t id : eos) {
      std::vector<int32_t>& ids = vocabulary.eos_ids;
      const auto narrow = static_cast<int32_t>(id);
      if (std::find(ids.begin(), ids.end(), narrow) == ids.end()) ids.push_back(narrow);
    }
    if (!vocabulary.bos_id && bos) vocabulary.bos_id = static_cast<int32_t>(*bos);
    return absl::OkStatus();
  }

  const std::string directory_;
  const Texts texts_;
  const HfConfig config_;
  const uint64_t limit_string_bytes_;
  Manifest manifest_;
  std::vector<std::shared_ptr<const File>> files_;
  std::vector<std::string> missing_;
};

// What the names of the MTP layers' tensors begin with, in the files: "model.layers.61." and on.
class MtpNames {
 public:
  MtpNames(int64_t num_hidden_layers, int64_t num_nextn_predict_layers) {
    for (int64_t i = 0; i < num_nextn_predict_layers; ++i) {
      prefixes_.push_back(absl::StrCat("model.layers.", num_hidden_layers + i, "."));
    }
  }
  bool has(absl::string_view tensor) const {
    return std::any_of(prefixes_.begin(), prefixes_.end(),
                       [&](const std::string& prefix) { return absl::StartsWith(tensor, prefix); });
  }
  std::string first() const { return prefixes_.empty() ? "" : prefixes_.front(); }

 private:
  std::vector<std::string> prefixes_;
};

absl::StatusOr<MtpNames> mtp_names(const HfConfig& config) {
  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> layers, config.integer("num_hidden_layers"));
  HADAL_ASSIGN_OR_RETURN(const std::optional<int64_t> mtp,
                         config.integer("num_nextn_predict_layers"));
  if (layers.value_or(0) > 0 && mtp.value_or(0) > 0) {
    return MtpNames(*layers, std::min<int64_t>(*mtp, 16));
  }
  return fail(HADAL_E_UNSUPPORTED,
              absl::StrCat(config.spelling("num_nextn_predict_layers"),
                           ": wanted 1 or more, found ", mtp.value_or(0)),
              "This model has no MTP layer: give a checkpoint that has one.");
}

// Leaves the tensors of the MTP layers, and the files that hold one.
SafetensorsIndex mtp_part(const SafetensorsIndex& whole, const MtpNames& names) {
  SafetensorsIndex part;
  std::vector<size_t> place_of(whole.files.size(), SIZE_MAX);
  for (size_t file = 0; file < whole.files.size(); ++file) {
    const bool is_wanted = std::any_of(
        whole.tensors.begin(), whole.tensors.end(),
        [&](const auto& tensor) { return tensor.second == file && names.has(tensor.first); });
    if (!is_wanted) continue;
    place_of[file] = part.files.size();
    part.files.push_back(whole.files[file]);
  }
  for (const auto& [name, file] : whole.tensors) {
    if (names.has(name)) part.tensors.emplace_back(name, place_of[file]);
  }
  return part;
}

// The weights: by an index that names the file given, or by the file itself.
absl::StatusOr<SafetensorsSet> read_weights(FileSystem& files, const std::string& directory,
                                            const std::string& weights, const HfConfig& config,
                                            const CheckpointOptions& options) {
  MtpNames only(0, 0);
  if (options.only_mtp_layers) {
    HADAL_ASSIGN_OR_RETURN(only, mtp_names(config));
  }
  const auto no_mtp_layer = [&](const std::string& where) {
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat(where, ": no tensor whose name begins with ", only.first(),
                             ", which is the MTP layer by config.json"),
                "Copies of a model are often published without it: take one that has it.");
  };
  const bool is_index = absl::EndsWith(weights, ".json");
  const std::string index_name = is_index ? weights : kIndex;
  HADAL_ASSIGN_OR_RETURN(const std::shared_ptr<const File> index_file,
                         open_if_there(files, directory + index_name));
  if (index_file != nullptr) {
    // A line of V3's index takes a hundred bytes.
    const uint64_t limit = options.limit_string_bytes > std::numeric_limits<uint64_t>::max() / 4
                               ? options.limit_string_bytes
                               : 4 * options.limit_string_bytes;
    HADAL_ASSIGN_OR_RETURN(const std::string text, read_text(index_file.get(), limit));
    HADAL_ASSIGN_OR_RETURN(SafetensorsIndex index,
                           read_safetensors_index(text, index_file->path(), options));
    const bool is_of_it =
        weights.empty() || is_index ||
        std::find(index.files.begin(), index.files.end(), weights) != index.files.end();
    if (is_of_it && options.only_mtp_layers) {
      index = mtp_part(index, only);
      if (index.files.empty()) return no_mtp_layer(index_file->path());
    }
    if (is_of_it) return read_safetensors_set(files, directory, index, index_file->path(), options);
  }
  const std::string path = directory + (weights.empty() ? kWeights : weights);
  HADAL_ASSIGN_OR_RETURN(std::shared_ptr<const File> file, open_if_there(files, path));
  if (file == nullptr) {
    return fail(HADAL_E_NOT_FOUND,
                absl::StrCat(directory, ": wanted ", weights.empty() ? kIndex : index_name, " or ",
                             weights.empty() ? kWeights : weights, ", found neither"),
                "The weights are missing: download them into the same directory. hadal reads "
                "safetensors, not the .bin files of PyTorch.");
  }
  SafetensorsTotals totals;
  SafetensorsSet set;
  HADAL_ASSIGN_OR_RETURN(SafetensorsFile one,
                         read_safetensors_file(std::move(file), options, totals));
  if (options.only_mtp_layers) {
    std::erase_if(one.tensors, [&](const SafetensorsTensor& t) { return !only.has(t.name); });
    if (one.tensors.empty()) return no_mtp_layer(path);
  }
  set.files.push_back(std::move(one));
  return set;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> open_hf_checkpoint(FileSystem& files,
                                                               const std::string& directory,
                                                               const std::string& weights,
                                                               const CheckpointOptions& options) {
  HADAL_ASSIGN_OR_RETURN(Texts texts, open_texts(files, directory));
  HADAL_ASSIGN_OR_RETURN(const std::string config_text,
                         read_text(texts.config.get(), options.limit_string_bytes));
  HADAL_ASSIGN_OR_RETURN(const std::string generation_text,
                         read_text(texts.generation_config.get(), options.limit_string_bytes));
  HADAL_ASSIGN_OR_RETURN(HfConfig config,
                         HfConfig::parse(config_text, directory + kConfig, generation_text,
                                         directory + kGenerationConfig));
  HADAL_ASSIGN_OR_RETURN(SafetensorsSet set,
                         read_weights(files, directory, weights, config, options));
  auto checkpoint = std::make_unique<HfCheckpoint>(directory, std::move(texts), std::move(config),
                                                   options.limit_string_bytes);
  HADAL_RETURN_IF_ERROR(checkpoint->fill_manifest(std::move(set), options));
  return checkpoint;
}

const std::string* hf_directory_of(const Checkpoint& checkpoint) {
  const auto* directory = dynamic_cast<const HfCheckpoint*>(&checkpoint);
  return directory != nullptr ? &directory->directory() : nullptr;
}

}  // namespace hadal
