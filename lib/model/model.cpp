#include "lib/model/model.hpp"

#include <algorithm>

#include "backends/loader.hpp"
#include "lib/base/json.hpp"
#include "lib/base/utf8.hpp"

namespace hadal {
namespace {

// Most inputs of a product with one matrix.
int32_t widest_input(const ModelConfig& config) {
  return std::max({config.hidden_size, config.q_lora_rank.value_or(0),
                   config.num_attention_heads * config.v_head_dim, config.intermediate_size,
                   config.shared_intermediate_size(),
                   config.num_nextn_predict_layers > 0 ? 2 * config.hidden_size : 0});
}

int32_t rows_of_a_chunk(const ModelConfig& config, const ModelOptions& options) {
  return options.chunk_rows > 0 ? options.chunk_rows : Buffers::default_rows(config);
}

}  // namespace

const char* Model::metadata(absl::string_view key) const {
  const MutexLock lock(&metadata_mutex_);
  const auto known = metadata_.find(key);
  if (known != metadata_.end()) return known->second.c_str();
  std::optional<std::string> value = compose_metadata(key);
  if (!value) return nullptr;  // not remembered: a host could ask for any number of absent keys
  return metadata_.emplace(key, *std::move(value)).first->second.c_str();
}

std::optional<std::string> Model::compose_metadata(absl::string_view key) const {
  if (key == "hadal.config") {
    return has_config_ ? std::optional(config_json(config_)) : std::nullopt;
  }
  if (key == "hadal.backend") return backend_->description();
  if (key == "hadal.keys") return write_json(Json(checkpoint_->metadata_keys()));
  if (key == "hadal.tensors") {
    Json list = Json::array();
    const auto add = [&](const Manifest& manifest, size_t first_file) {
      for (const TensorEntry& entry : manifest.entries()) {
        list.push_back({{"name", entry.name_in_file},
                        {"hadal_name", entry.name},
                        {"type", name(entry.dtype)},
                        {"shape", entry.shape},
                        {"bytes", entry.size_bytes},
                        {"file", first_file + static_cast<size_t>(entry.file)},
                        {"offset", entry.offset}});
      }
    };
    add(manifest(), 0);
    if (mtp_sidecar_) add(mtp_sidecar_->checkpoint->manifest(), checkpoint_->files().size());
    return write_json(list);
  }
  if (key == "hadal.files") {
    Json list = Json::array();
    const auto add = [&](const Checkpoint& checkpoint) {
      for (const auto& file : checkpoint.files()) {
        list.push_back({{"path", to_utf8(file->path())}, {"bytes", file->size_bytes()}});
      }
    };
    add(*checkpoint_);
    if (mtp_sidecar_) add(*mtp_sidecar_->checkpoint);
    return write_json(list);
  }
  if (key == "hadal.missing_files") {
    Json list = Json::array();
    for (const std::string& path : checkpoint_->missing_files()) list.push_back(to_utf8(path));
    if (mtp_sidecar_) {
      for (const std::string& path : mtp_sidecar_->checkpoint->missing_files())
        list.push_back(to_utf8(path));
    }
    return write_json(list);
  }
  std::optional<std::string> value = checkpoint_->metadata(key);
  if (value) value = to_utf8(*value);  // a text of the file may hold any bytes
  return value;
}

std::optional<OpProfile> Model::profile(size_t index) const {
  return profile_ != nullptr ? profile_->line(index) : std::nullopt;
}

ModelLoader::ModelLoader(Resources resources, std::string path, ModelOptions options)
    : options_(std::move(options)), path_(std::move(path)), model_(new Model()) {
  model_->resources_ = std::move(resources);
  model_->is_headers_only_ = options_.headers_only;
  options_.checkpoint.allow_missing_files = options_.headers_only;
}

double ModelLoader::progress() const {
  if (done()) return 1.0;
  uint64_t n_done = 0, total = 0;
  for (const auto* loader : {&weights_, &mtp_weights_}) {
    if (!loader->has_value()) continue;
    n_done += (*loader)->bytes_done();
    total += (*loader)->bytes_total();
  }
  if (total == 0) return 0.0;
  // 1.0 is said once, at the end.
  return std::min(0.999, static_cast<double>(n_done) / static_cast<double>(total));
}

// All files of the checkpoint and where each weight lies in them.
absl::Status ModelLoader::open() {
  Model& m = *model_;
  HADAL_ASSIGN_OR_RETURN(m.checkpoint_, open_checkpoint(*m.resources_.files, path_,
                                                        options_.checkpoint, *m.resources_.log));
  if (options_.headers_only) return open_headers();
  HADAL_ASSIGN_OR_RETURN(m.config_, read_config(*m.checkpoint_));
  HADAL_ASSIGN_OR_RETURN(WeightLoader loader, WeightLoader::create(*m.checkpoint_, m.config_,
                                                                   options_.use_mmap, m.weights_));
  weights_ = std::move(loader);
  if (options_.mtp_path.empty()) return absl::OkStatus();
  HADAL_RETURN_IF_ERROR(open_sidecar());
  HADAL_ASSIGN_OR_RETURN(WeightLoader mtp, WeightLoader::create_mtp(*m.mtp_sidecar_->checkpoint,
                                                                    m.mtp_sidecar_->config,
                                                                    options_.use_mmap, m.weights_));
  mtp_weights_ = std::move(mtp);
  return absl::OkStatus();
}

absl::Status ModelLoader::open_sidecar() {
  Model& m = *model_;
  HADAL_ASSIGN_OR_RETURN(
      m.mtp_sidecar_, open_mtp_sidecar(*m.resources_.files, options_.mtp_path, options_.checkpoint,
                                       *m.resources_.log, *m.checkpoint_, m.config_));
  m.config_.num_nextn_predict_layers = m.mtp_sidecar_->config.num_nextn_predict_layers;
  return absl::OkStatus();
}

// Takes what is there. What a whole model would lack is hadal_model_plan's to say.
absl::Status ModelLoader::open_headers() {
  Model& m = *model_;
  absl::StatusOr<ModelConfig> config = read_config(*m.checkpoint_);
  m.has_config_ = config.ok();
  if (config.ok()) m.config_ = *std::move(config);
  if (options_.mtp_path.empty()) return absl::OkStatus();
  HADAL_RETURN_IF_ERROR(config.status());  // there is nothing to compare the layer with
  return open_sidecar();
}

absl::Status ModelLoader::make_tokenizer() {
  Model& m = *model_;
  HADAL_ASSIGN_OR_RETURN(Vocabulary vocabulary, m.checkpoint_->vocabulary());
  if (m.mtp_sidecar_) {
    HADAL_RETURN_IF_ERROR(check_same_vocabulary(*m.mtp_sidecar_->checkpoint, vocabulary));
  }
  HADAL_ASSIGN_OR_RETURN(m.tokenizer_, Tokenizer::create(std::move(vocabulary)));
  return absl::OkStatus();
}

absl::Status ModelLoader::step() {
  Model& m = *model_;
  switch (stage_) {
    case Stage::kOpen:
      HADAL_RETURN_IF_ERROR(open());
      stage_ = Stage::kBackend;
      return absl::OkStatus();
    case Stage::kBackend: {
      HADAL_ASSIGN_OR_RETURN(
          m.backend_, make_backend(options_.backend, m.resources_.memory, m.resources_.executor));
      if (options_.profile) {
        auto profiled = std::make_unique<ProfiledBackend>(std::move(m.backend_));
        m.profile_ = profiled.get();
        m.backend_ = std::move(profiled);
      }
      if (options_.imatrix) {
        auto summing = std::make_unique<ImatrixBackend>(std::move(m.backend_), m.resources_.memory);
        m.imatrix_ = summing.get();
        m.backend_ = std::move(summing);
      }
      m.resources_.log->info("load", absl::StrCat("backend ", m.backend_->description()));
      stage_ = Stage::kTokenizer;
      if (options_.headers_only) return absl::OkStatus();
      m.rope_.emplace(m.config_);
      m.chunk_rows_ = rows_of_a_chunk(m.config_, options_);
      return absl::OkStatus();
    }
    case Stage::kTokenizer: {
      if (options_.headers_only) {
        m.no_tokenizer_ = make_tokenizer();
        if (m.mtp_sidecar_) HADAL_RETURN_IF_ERROR(m.no_tokenizer_);  // they are to be compared
        stage_ = Stage::kDone;
        return absl::OkStatus();
      }
      HADAL_RETURN_IF_ERROR(make_tokenizer());
      if (m.tokenizer_->n_tokens() > m.config_.vocab_size) {
        return fail(HADAL_E_FORMAT,
                    absl::StrCat(path_, ": the vocabulary has ", m.tokenizer_->n_tokens(),
                                 " tokens, the model only ", m.config_.vocab_size, " rows"),
                    "Tokenizer and weights are of different models: convert the file again.");
      }
      m.sampled_rows_.resize(static_cast<size_t>(m.config_.vocab_size));
      for (int32_t id = 0; id < m.tokenizer_->n_tokens(); ++id) {
        m.sampled_rows_[static_cast<size_t>(id)] = m.tokenizer_->has_text(id) ? 1 : 0;
      }
      stage_ = Stage::kWeights;
      return absl::OkStatus();
    }
    case Stage::kWeights:
      for (auto* loader : {&weights_, &mtp_weights_}) {
        if (!loader->has_value() || (*loader)->done()) continue;
        HADAL_RETURN_IF_ERROR((*loader)->step(*m.backend_, *m.resources_.memory));
        if ((*loader)->done()) m.keep((*loader)->take_storage());
        break;  // one step
      }
      if (weights_->done() && (!mtp_weights_ || mtp_weights_->done())) stage_ = Stage::kDone;
      return absl::OkStatus();
    case Stage::kDone: return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<MemoryPlan> plan_memory(const Resources& resources, absl::string_view path,
                                       const ModelOptions& options) {
  HADAL_ASSIGN_OR_RETURN(
      const std::unique_ptr<Checkpoint> checkpoint,
      open_checkpoint(*resources.files, path, options.checkpoint, *resources.log));
  HADAL_ASSIGN_OR_RETURN(ModelConfig config, read_config(*checkpoint));
  ModelWeights weights;
  HADAL_ASSIGN_OR_RETURN(const WeightLoader loader,
                         WeightLoader::create(*checkpoint, config, options.use_mmap, weights));

  MemoryPlan plan;
  // Everything else lies in the bytes of the file.
  plan.host_weights = loader.float_bytes();
  (options.use_mmap ? plan.mapped : plan.host_weights) += loader.bytes_total();
  if (!options.mtp_path.empty()) {
    HADAL_ASSIGN_OR_RETURN(const MtpSidecar sidecar,
                           open_mtp_sidecar(*resources.files, options.mtp_path, options.checkpoint,
                                            *resources.log, *checkpoint, config));
    HADAL_ASSIGN_OR_RETURN(
        const WeightLoader mtp,
        WeightLoader::create_mtp(*sidecar.checkpoint, sidecar.config, options.use_mmap, weights));
    plan.host_weights += mtp.float_bytes();
    (options.use_mmap ? plan.mapped : plan.host_weights) += mtp.bytes_total();
    config.num_nextn_predict_layers = sidecar.config.num_nextn_predict_layers;
  }
  const auto page_table_bytes = [](int64_t context) {
    const int64_t pages = (context + kPageSize - 1) / kPageSize;
    return static_cast<uint64_t>(pages + pages / 2) * sizeof(int32_t);
  };
  const int32_t rows = rows_of_a_chunk(config, options);
  HADAL_ASSIGN_OR_RETURN(std::unique_ptr<Backend> backend,
                         make_backend(options.backend, resources.memory, resources.executor));
  if (options.imatrix) {
    backend = std::make_unique<ImatrixBackend>(std::move(backend), resources.memory);
  }
  const LatentCache cache(*backend, config, config.num_hidden_layers, backend->usual_cache_type());
  const auto cache_bytes = [&](int64_t context) {
    return static_cast<uint64_t>((context + kPageSize - 1) / kPageSize * cache.page_bytes());
  };
  plan.host_cache = cache_bytes(config.max_position_embeddings);
  plan.host_scratch =
      static_cast<uint64_t>(Buffers::size_bytes(config, rows, std::min(rows, kMaxWantedRows))) +
      backend->scratch_bytes({.max_rows = rows,
                              .hidden_size = config.hidden_size,
                              .max_in_features = widest_input(config),
                              .num_experts_per_tok = config.num_experts_per_tok,
                              .moe_intermediate_size = config.moe_intermediate_size,
                              .num_attention_heads = config.num_attention_heads,
                              .latent_dim = config.latent_dim(),
                              .qk_head_dim = config.qk_head_dim(),
                              .v_head_dim = config.v_head_dim});
  const uint64_t fixed = plan.host_weights + plan.host_scratch;
  const int64_t shortest = std::min(512, config.max_position_embeddings);
  plan.host_minimum = fixed + cache_bytes(shortest) + page_table_bytes(shortest);
  plan.host_comfortable =
      fixed + plan.host_cache + page_table_bytes(config.max_position_embeddings);
  return plan;
}

}  // namespace hadal
