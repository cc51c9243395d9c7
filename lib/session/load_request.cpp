#include "lib/session/load_request.hpp"

namespace hadal {

CheckpointOptions input_limits(const Config& config) {
  const auto limit = [&](int32_t key) { return static_cast<uint64_t>(config.i64(key)); };
  CheckpointOptions options;
  options.limit_string_bytes = limit(HADAL_OPT_LIMIT_STRING_BYTES);
  options.limit_metadata_entries = limit(HADAL_OPT_LIMIT_METADATA_ENTRIES);
  options.limit_array_elements = limit(HADAL_OPT_LIMIT_ARRAY_ELEMENTS);
  options.limit_tensors = limit(HADAL_OPT_LIMIT_TENSORS);
  options.limit_shards = limit(HADAL_OPT_LIMIT_SHARDS);
  return options;
}

absl::StatusOr<ModelOptions> model_options(const Runtime& runtime, const Config& config) {
  HADAL_RETURN_IF_ERROR(config.require_scope(HADAL_SCOPE_MODEL));
  ModelOptions options;
  options.backend.name = config.str(HADAL_OPT_BACKEND);
  options.backend.module_path = config.str(HADAL_OPT_MODULE_PATH);
  options.backend.isa = config.str(HADAL_OPT_CPU_ISA);
  options.backend.activations = config.str(HADAL_OPT_CPU_ACTIVATIONS);
  options.backend.batch_invariant = runtime.determinism() >= 2;
  options.chunk_rows = static_cast<int32_t>(config.i64(HADAL_OPT_CHUNK_ROWS));
  options.mtp_path = config.str(HADAL_OPT_MTP_PATH);
  options.profile = config.i64(HADAL_OPT_PROFILE) != 0;
  options.imatrix = config.i64(HADAL_OPT_IMATRIX) != 0;
  options.headers_only = config.i64(HADAL_OPT_HEADERS_ONLY) != 0;
  options.checkpoint = input_limits(config);

  const std::string groups = config.str(HADAL_OPT_EXPERT_GROUPS);
  if (groups != "auto" && groups != "file") {
    return fail(HADAL_E_OUT_OF_RANGE,
                absl::StrCat("the option expert_groups cannot be \"", groups, "\""),
                "Give auto or file.");
  }
  options.checkpoint.infer_expert_groups = groups == "auto";

  // A hostile file must not be mapped: whoever truncates it would take the host down. A host's own
  // files cannot be.
  options.use_mmap = config.i64(HADAL_OPT_MMAP) != 0 && !runtime.untrusted() && !runtime.host_io();
  if (runtime.determinism() == 3) {
    if (options.backend.name == "cpu" || options.backend.name == "onednn") {
      return fail(HADAL_E_OUT_OF_RANGE,
                  absl::StrCat("the backend ", options.backend.name, " under determinism 3"),
                  "Set the option backend to auto or reference, or determinism to at most 2.");
    }
    options.backend.name = "reference";
  }
  return options;
}

LoadRequest::LoadRequest(std::shared_ptr<Runtime> runtime, std::string path, ModelOptions options)
    : Request(std::move(runtime)),
      loader_(std::make_unique<ModelLoader>(this->runtime().resources(), std::move(path),
                                            std::move(options))) {}

absl::StatusOr<std::shared_ptr<LoadRequest>> LoadRequest::create(std::shared_ptr<Runtime> runtime,
                                                                 absl::string_view path,
                                                                 const Config& config) {
  HADAL_ASSIGN_OR_RETURN(ModelOptions options, model_options(*runtime, config));
  return std::shared_ptr<LoadRequest>(
      new LoadRequest(std::move(runtime), std::string(path), std::move(options)));
}

absl::Status LoadRequest::work(uint64_t) {
  emit_progress(0.0);  // before the first byte is read
  HADAL_RETURN_IF_ERROR(loader_->step());
  update_stats([&](RequestStats& s) {
    s.read_bytes = loader_->bytes_read();
    s.prefill_ns = now_ns() - started_ns();
  });
  emit_progress(loader_->progress());
  if (loader_->done()) {
    runtime().read_bytes += loader_->bytes_read();
    model_ = std::make_shared<ServedModel>(runtime().shared_from_this(), loader_->take());
    end(absl::OkStatus());
  }
  return absl::OkStatus();
}

void LoadRequest::abandon() { loader_.reset(); }

absl::StatusOr<std::shared_ptr<ServedModel>> LoadRequest::model() {
  const MutexLock lock(&lane_);
  if (model_ != nullptr) return model_;
  return fail(HADAL_E_INVALID_ARGUMENT,
              "the request has no model: it has not loaded one to its end",
              "Move the load request until it answers DONE.");
}

}  // namespace hadal
