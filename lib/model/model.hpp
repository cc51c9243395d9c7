// A loaded model: checkpoint, config, backend, weights, tokenizer, in that order. Immutable once
// loaded, except that its backend works through one queue. One of headers only has no weights, and
// of the others what its files give: for metadata and tokenizer, never to be run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "backends/backend.hpp"
#include "backends/imatrix_backend.hpp"
#include "backends/loader.hpp"
#include "backends/profiled_backend.hpp"
#include "lib/base/hash_map.hpp"
#include "lib/base/log.hpp"
#include "lib/base/mutex.hpp"
#include "lib/base/thread_pool.hpp"
#include "lib/checkpoint/checkpoint.hpp"
#include "lib/model/buffers.hpp"
#include "lib/model/config.hpp"
#include "lib/model/latent_cache.hpp"
#include "lib/model/mtp_sidecar.hpp"
#include "lib/model/rope.hpp"
#include "lib/model/weights.hpp"
#include "lib/text/tokenizer.hpp"

namespace hadal {

struct ModelOptions {
  BackendOptions backend;
  bool use_mmap = true;
  int32_t chunk_rows = 0;     // 0: chosen here
  bool profile = false;       // see hadal_model_profile
  bool imatrix = false;       // sum what goes into weights
  bool headers_only = false;  // for looking at a checkpoint, whole or not; counts for ModelLoader
  std::string mtp_path;       // of an MTP layer that the model's own files lack; empty: none
  CheckpointOptions checkpoint;
};

// What a runtime gives to everything below it.
struct Resources {
  std::shared_ptr<FileSystem> files;
  std::shared_ptr<Memory> memory;
  std::shared_ptr<Executor> executor;
  std::shared_ptr<Log> log;
};

// Most sessions that one pass serves with logits.
inline constexpr int32_t kMaxWantedRows = 32;

class Model {
 public:
  const ModelConfig& config() const { return config_; }
  Backend& backend() const { return *backend_; }
  const ModelWeights& weights() const { return weights_; }
  const Rope& rope() const { return *rope_; }
  // Of the trunk's layers, for sessions to hold; and of the MTP layers, where only who guesses has
  // rows.
  LatentCache latent_cache(DType latent) const {
    return {*backend_, config_, config_.num_hidden_layers, latent};
  }
  LatentCache mtp_cache(DType latent) const {
    return {*backend_, config_, config_.num_nextn_predict_layers, latent};
  }
  bool is_headers_only() const { return is_headers_only_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }
  // For one of headers only, whose files may have none.
  absl::StatusOr<std::shared_ptr<const Tokenizer>> tokenizer_if_any() const {
    if (tokenizer_ == nullptr) return no_tokenizer_;
    return tokenizer_;
  }
  const Manifest& manifest() const { return checkpoint_->manifest(); }
  int32_t chunk_rows() const { return chunk_rows_; }
  // [vocab_size], 1 for the ids that have a text. Rows beyond the tokenizer have weights, and can
  // have the highest logit.
  const std::vector<uint8_t>& sampled_rows() const { return sampled_rows_; }

  // A metadata value of the file, or one of our own: hadal.config, hadal.tensors, hadal.keys,
  // hadal.files, hadal.missing_files, hadal.backend. NULL if there is none. Lives as long as the
  // model. Thread-safe.
  const char* metadata(absl::string_view key) const;

  // A line of the ops' profile; nothing past the last, and of a model without one. Its name lives
  // as long as the model. Thread-safe.
  std::optional<OpProfile> profile(size_t index) const;

  // What has gone into the weights; null without the option imatrix. Thread-safe.
  const ImatrixBackend* imatrix() const { return imatrix_; }

 private:
  friend class ModelLoader;
  Model() = default;
  std::optional<std::string> compose_metadata(absl::string_view key) const;
  void keep(std::vector<std::shared_ptr<const void>> storage) {
    weight_bytes_.insert(weight_bytes_.end(), storage.begin(), storage.end());
  }

  Resources resources_;
  bool is_headers_only_ = false;
  bool has_config_ = true;  // only one of headers only may lack it
  std::unique_ptr<Checkpoint> checkpoint_;
  std::optional<MtpSidecar> mtp_sidecar_;
  ModelConfig config_;
  std::unique_ptr<Backend> backend_;
  const ProfiledBackend* profile_ = nullptr;  // backend_, or what is behind it, if it is one
  const ImatrixBackend* imatrix_ = nullptr;   // backend_, if it is one
  ModelWeights weights_;
  std::vector<std::shared_ptr<const void>> weight_bytes_;
  std::optional<Rope> rope_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  absl::Status no_tokenizer_;  // why, where there is none
  int32_t chunk_rows_ = 0;
  std::vector<uint8_t> sampled_rows_;

  mutable Mutex metadata_mutex_;
  mutable HashMap<std::string, std::string> metadata_ ABSL_GUARDED_BY(metadata_mutex_);
};

// Loads a model in steps that can pause between any two.
class ModelLoader {
 public:
  ModelLoader(Resources resources, std::string path, ModelOptions options);

  absl::Status step();
  bool done() const { return stage_ == Stage::kDone; }
  double progress() const;  // 0 to 1, by bytes
  uint64_t bytes_read() const {
    return (weights_ ? weights_->bytes_read() : 0) +
           (mtp_weights_ ? mtp_weights_->bytes_read() : 0);
  }
  std::shared_ptr<Model> take() { return std::move(model_); }  // once done

 private:
  enum class Stage { kOpen, kBackend, kTokenizer, kWeights, kDone };
  absl::Status open();
  absl::Status open_sidecar();
  absl::Status open_headers();
  absl::Status make_tokenizer();

  ModelOptions options_;
  std::string path_;
  std::shared_ptr<Model> model_;
  std::optional<WeightLoader> weights_;
  std::optional<WeightLoader> mtp_weights_;  // of a sidecar
  Stage stage_ = Stage::kOpen;
};

// Bytes that a model would take, from its headers alone (hadal_memory_plan).
struct MemoryPlan {
  uint64_t host_weights = 0, host_cache = 0, host_scratch = 0, mapped = 0;
  uint64_t host_minimum = 0, host_comfortable = 0;
};
absl::StatusOr<MemoryPlan> plan_memory(const Resources& resources, absl::string_view path,
                                       const ModelOptions& options);

}  // namespace hadal
