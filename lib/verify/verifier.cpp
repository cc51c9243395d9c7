#include "lib/verify/verifier.hpp"

#include "lib/verify/config_checks.hpp"
#include "lib/verify/tokenizer_check.hpp"

namespace hadal {
namespace {

// Failures that say something about the files; the others are of the machine, or ours.
bool is_of_the_files(hadal_status code) {
  return code == HADAL_E_NOT_FOUND || code == HADAL_E_IO || code == HADAL_E_FORMAT ||
         code == HADAL_E_UNSUPPORTED || code == HADAL_E_LIMIT;
}

uint64_t bytes_of(const Checkpoint& checkpoint) {
  uint64_t n = 0;
  for (const TensorEntry& entry : checkpoint.manifest().entries()) n += entry.size_bytes;
  return n;
}

}  // namespace

absl::Status Verifier::blame(const absl::Status& status) {
  if (status.ok()) return status;
  if (!is_of_the_files(code_of(status))) return status;
  findings_.error(status);
  return absl::OkStatus();
}

double Verifier::progress() const {
  switch (stage_) {
    case Stage::kDone: return 1.0;
    case Stage::kSelfTest: return 0.9 + 0.099 * (self_test_ ? self_test_->progress() : 0.0);
    case Stage::kValues: {
      uint64_t n_done = 0, total = 1;
      for (const ValueScan& scan : scans_) {
        n_done += scan.bytes_done();
        total += scan.bytes_total();
      }
      return 0.05 + 0.85 * static_cast<double>(n_done) / static_cast<double>(total);
    }
    default: return 0.005 * static_cast<double>(stage_);
  }
}

absl::Status Verifier::step() {
  switch (stage_) {
    case Stage::kOpen: return open();
    case Stage::kConfig: return check_config();
    case Stage::kScales:
      HADAL_RETURN_IF_ERROR(blame(scales_->step(findings_)));
      if (scales_->done()) stage_ = Stage::kTensors;
      return absl::OkStatus();
    case Stage::kTensors: return check_tensors();
    case Stage::kTokenizer:
      check_tokenizer(*checkpoint_, config_ ? &*config_ : nullptr, findings_);
      stage_ = Stage::kValues;
      return absl::OkStatus();
    case Stage::kValues: return scan();
    case Stage::kSelfTest: return run_self_test();
    case Stage::kDone: return absl::OkStatus();
  }
  return absl::OkStatus();
}

// All files of a set, their headers and every extent in them.
absl::Status Verifier::open() {
  findings_.begin("files");
  absl::StatusOr<std::unique_ptr<Checkpoint>> opened =
      open_checkpoint(*resources_.files, path_, options_.checkpoint, *resources_.log);
  if (!opened.ok()) {
    HADAL_RETURN_IF_ERROR(blame(opened.status()));
    findings_.end("");
    stage_ = Stage::kDone;
    return absl::OkStatus();
  }
  checkpoint_ = *std::move(opened);
  const size_t n_files = checkpoint_->files().size();
  findings_.end(absl::StrCat(n_files, n_files == 1 ? " file, " : " files, ",
                             checkpoint_->manifest().entries().size(), " tensors, ",
                             bytes_of(*checkpoint_), " bytes"));
  scans_.emplace_back(*checkpoint_);
  stage_ = Stage::kConfig;
  return absl::OkStatus();
}

absl::Status Verifier::check_config() {
  findings_.begin("config");
  absl::StatusOr<ModelConfig> config = read_config(*checkpoint_);
  if (!config.ok()) {
    HADAL_RETURN_IF_ERROR(blame(config.status()));
    findings_.end("");
    stage_ = Stage::kTokenizer;  // what follows without a shape
    return absl::OkStatus();
  }
  config_ = *std::move(config);
  look_at_epsilon(*checkpoint_, *config_, findings_);
  findings_.end(absl::StrCat(config_->num_hidden_layers, " layers of ", config_->hidden_size, ", ",
                             config_->num_attention_heads, " heads, ", config_->vocab_size,
                             " rows of vocabulary"));
  check_expert_groups(*checkpoint_, *config_, findings_);
  check_router(*checkpoint_, *config_, findings_);
  check_yarn(*checkpoint_, *config_, findings_);
  if (!holds_mtp_alone(*checkpoint_, *config_)) {  // which check_tensors says, once
    check_lm_head(*checkpoint_, *config_, findings_);
    HADAL_RETURN_IF_ERROR(blame(check_router_bias(*checkpoint_, *config_, findings_)));
  }
  scales_.emplace(*checkpoint_, *config_);
  stage_ = Stage::kScales;
  return absl::OkStatus();
}

// Every tensor that the shape implies, with its shape; the MTP layer's too.
absl::Status Verifier::check_tensors() {
  stage_ = Stage::kTokenizer;
  ModelWeights weights;
  findings_.begin("tensors");
  const auto loader = WeightLoader::create(*checkpoint_, *config_, options_.use_mmap, weights);
  HADAL_RETURN_IF_ERROR(blame(loader.status()));
  findings_.end("all there, in the shapes that the configuration implies");

  findings_.begin("mtp");
  if (options_.mtp_path.empty()) {
    findings_.end(config_->num_nextn_predict_layers > 0 ? "an MTP layer of its own"
                                                        : "no MTP layer");
    return absl::OkStatus();
  }
  absl::StatusOr<MtpSidecar> sidecar =
      open_mtp_sidecar(*resources_.files, options_.mtp_path, options_.checkpoint, *resources_.log,
                       *checkpoint_, *config_);
  if (!sidecar.ok()) {
    HADAL_RETURN_IF_ERROR(blame(sidecar.status()));
    findings_.end("");
    return absl::OkStatus();
  }
  sidecar_ = *std::move(sidecar);
  const auto mtp =
      WeightLoader::create_mtp(*sidecar_->checkpoint, sidecar_->config, options_.use_mmap, weights);
  HADAL_RETURN_IF_ERROR(blame(mtp.status()));
  const absl::StatusOr<Vocabulary> vocabulary = checkpoint_->vocabulary();
  if (vocabulary.ok()) {
    HADAL_RETURN_IF_ERROR(blame(check_same_vocabulary(*sidecar_->checkpoint, *vocabulary)));
  }
  findings_.end(absl::StrCat("the MTP layer of ", options_.mtp_path, " belongs to this model"));
  scans_.emplace_back(*sidecar_->checkpoint);
  return absl::OkStatus();
}

absl::Status Verifier::scan() {
  ValueScan& scan = scans_[scan_];
  if (scan_ == 0 && scan.bytes_done() == 0) findings_.begin("values");
  if (!scan.done()) {
    HADAL_RETURN_IF_ERROR(scan.step(*resources_.memory, *resources_.executor, findings_));
  }
  if (!scan.done() || ++scan_ < scans_.size()) return absl::OkStatus();
  uint64_t n_bytes = 0;
  for (const ValueScan& s : scans_) n_bytes += s.bytes_total();
  findings_.end(absl::StrCat(n_bytes, " bytes of weights, all finite"));
  stage_ = Stage::kSelfTest;
  return absl::OkStatus();
}

absl::Status Verifier::run_self_test() {
  if (!self_test_) {
    // Nothing is learnt from a model that is known to be wrong, or one too large to be read for it.
    constexpr uint64_t kMostRead = uint64_t{4} << 30;
    const uint64_t n_bytes = bytes_of(*checkpoint_);
    if (findings_.n_errors() > 0 || (!options_.use_mmap && n_bytes > kMostRead)) {
      findings_.begin("self_test");
      findings_.note(
          findings_.n_errors() > 0
              ? "left out, because of the errors above"
              : absl::StrCat("left out: ", n_bytes, " bytes would have to be read into memory"));
      stage_ = Stage::kDone;
      return absl::OkStatus();
    }
    self_test_.emplace(resources_, path_, options_, n_bytes);
  }
  const absl::Status status = self_test_->step(findings_);
  if (!status.ok()) {
    HADAL_RETURN_IF_ERROR(blame(status));
    findings_.end("");
    self_test_.reset();
    stage_ = Stage::kDone;
  } else if (self_test_->done()) {
    stage_ = Stage::kDone;
  }
  return absl::OkStatus();
}

}  // namespace hadal
