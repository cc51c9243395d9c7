#include "lib/verify/self_test.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace hadal {
namespace {

constexpr uint64_t kSmallBytes = uint64_t{1} << 30;
constexpr size_t kTokensOfSmall = 16, kTokensOfLarge = 4;
// Both sum in float or better, over the same weights, without rounding activations.
constexpr double kMostDistance = 1e-3;
constexpr absl::string_view kText =
    "The river runs to the sea, and the sea is never full. 1 + 1 = 2";

std::vector<int32_t> tokens_of(const Tokenizer& tokenizer, size_t most) {
  std::vector<int32_t> tokens = tokenizer.encode(kText, false);
  if (const auto bos = tokenizer.bos_id()) tokens.insert(tokens.begin(), *bos);
  tokens.resize(std::min(tokens.size(), most));
  return tokens;
}

size_t n_not_finite(const std::vector<float>& values) {
  return static_cast<size_t>(std::count_if(values.begin(), values.end(),
                                           [](float value) { return !std::isfinite(value); }));
}

int32_t best(const std::vector<float>& logits, size_t row, size_t width) {
  const auto first = logits.begin() + static_cast<ptrdiff_t>(row * width);
  return static_cast<int32_t>(std::max_element(first, first + static_cast<ptrdiff_t>(width)) -
                              first);
}

}  // namespace

double relative_distance(const std::vector<float>& a, const std::vector<float>& b) {
  HADAL_CHECK(a.size() == b.size());
  double difference = 0.0, size = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    difference += (x - y) * (x - y);
    size += y * y;
  }
  return size > 0.0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

SelfTest::SelfTest(Resources resources, std::string path, ModelOptions options,
                   uint64_t weight_bytes)
    : resources_(std::move(resources)),
      path_(std::move(path)),
      options_(std::move(options)),
      is_small_(weight_bytes <= kSmallBytes) {
  options_.backend.activations = "f32";
  options_.backend.batch_invariant = true;
  options_.profile = false;
  backends_.push_back("cpu");
  if (is_small_) backends_.push_back("reference");
}

double SelfTest::progress() const {
  const double of_backend = stage_ != Stage::kLoad ? 0.5 : loader_ ? loader_->progress() / 2 : 0.0;
  return (static_cast<double>(backend_) + of_backend) / static_cast<double>(backends_.size());
}

absl::Status SelfTest::step(Findings& findings) {
  switch (stage_) {
    case Stage::kLoad: {
      if (!loader_) {
        if (backend_ == 0) findings.begin("self_test");
        options_.backend.name = backends_[backend_];
        loader_.emplace(resources_, path_, options_);
      }
      HADAL_RETURN_IF_ERROR(loader_->step());
      if (!loader_->done()) return absl::OkStatus();
      model_ = loader_->take();
      loader_.reset();
      stage_ = Stage::kTrunk;
      return start_pass();
    }
    case Stage::kTrunk:
      if (layer_ < model_->config().num_hidden_layers) {
        if (layer_ == 0) pass_->begin();
        pass_->run_layer(layer_++);
        return model_->backend().wait();
      }
      HADAL_RETURN_IF_ERROR(finish_trunk(findings));
      stage_ = Stage::kMtp;
      return absl::OkStatus();
    case Stage::kMtp:
      if (!model_->weights().mtp.empty() && tokens_.size() > 1) {
        HADAL_RETURN_IF_ERROR(run_mtp(findings));
      }
      finish_backend(findings);
      return absl::OkStatus();
    case Stage::kDone: return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status SelfTest::start_pass() {
  Model& m = *model_;
  tokens_ =
      tokens_of(*m.tokenizer(), std::min(is_small_ ? kTokensOfSmall : kTokensOfLarge,
                                         static_cast<size_t>(m.config().max_position_embeddings)));
  const auto n = static_cast<int32_t>(tokens_.size());
  HADAL_ASSIGN_OR_RETURN(buffers_, Buffers::create(m.backend(), m.config(), n, n));
  cache_.emplace(m.latent_cache(DType::kF32));
  HADAL_RETURN_IF_ERROR(cache_->reserve(0, n));
  Batch batch;
  batch.add(tokens_, 0, *cache_);
  for (int32_t i = 0; i < n; ++i) batch.want_row(i);
  HADAL_ASSIGN_OR_RETURN(const PassBuffers views, buffers_->views(n, n, 1, batch.max_pages()));
  pass_.emplace(m.backend(), m.config(), m.weights(), m.rope(), cache_->latent_cache(),
                std::move(batch), views);
  layer_ = 0;
  results_.emplace_back();
  return absl::OkStatus();
}

absl::Status SelfTest::finish_trunk(Findings& findings) {
  pass_->finish();
  std::vector<float>& logits = results_.back().logits;
  logits.resize(tokens_.size() * static_cast<size_t>(model_->config().vocab_size));
  HADAL_RETURN_IF_ERROR(model_->backend().read(pass_->buffers().logits, logits.data()));
  if (const size_t n = n_not_finite(logits); n > 0) {
    findings.error(absl::StrCat(path_, ": on the ", backends_[backend_], " backend ", n, " of ",
                                logits.size(), " logits are not finite"),
                   "Some weights are wrong though finite, a norm's for instance: compare the "
                   "file's checksum, convert or download it again.");
  }
  return absl::OkStatus();
}

// Guesses of the token after the next, for all rows but the last.
absl::Status SelfTest::run_mtp(Findings& findings) {
  Model& m = *model_;
  const auto n = static_cast<int32_t>(tokens_.size()) - 1;
  mtp_cache_.emplace(m.mtp_cache(DType::kF32));
  HADAL_RETURN_IF_ERROR(mtp_cache_->reserve(0, n));
  Batch batch;
  batch.add(std::span(tokens_).subspan(1), 0, *mtp_cache_);
  for (int32_t i = 0; i < n; ++i) batch.want_row(i);
  HADAL_ASSIGN_OR_RETURN(const PassBuffers views, buffers_->views(n, n, 1, batch.max_pages()));
  HADAL_ASSIGN_OR_RETURN(const Buffer eh_input,
                         m.backend().allocate(DType::kF32, n, int64_t{2} * m.config().hidden_size,
                                              MemoryTag::kScratch));
  MtpPass mtp(m.backend(), m.config(), m.weights(), 0, m.rope(), mtp_cache_->latent_cache(),
              std::move(batch), views, eh_input.tensor);
  mtp.begin(pass_->hidden().first_rows(n));
  mtp.run_layer();
  mtp.finish();
  std::vector<float>& logits = results_.back().mtp_logits;
  const auto width = static_cast<size_t>(m.config().vocab_size);
  logits.resize(static_cast<size_t>(n) * width);
  HADAL_RETURN_IF_ERROR(m.backend().read(views.logits, logits.data()));
  if (const size_t n_bad = n_not_finite(logits); n_bad > 0) {
    findings.error(absl::StrCat(path_, ": on the ", backends_[backend_], " backend ", n_bad, " of ",
                                logits.size(), " logits of the MTP layer are not finite"),
                   "Some weights of the layer are wrong though finite: compare the file's "
                   "checksum, convert or download it again.");
  }
  return absl::OkStatus();
}

void SelfTest::finish_backend(Findings& findings) {
  const auto width = static_cast<size_t>(model_->config().vocab_size);
  pass_.reset();
  buffers_.reset();
  cache_.reset();
  mtp_cache_.reset();
  model_.reset();
  if (++backend_ < backends_.size()) {
    stage_ = Stage::kLoad;
    return;
  }
  stage_ = Stage::kDone;
  const Result& first = results_[0];
  std::string seen = absl::StrCat(tokens_.size(), " tokens: logits finite");
  if (results_.size() > 1 && findings.is_clean()) {
    const double trunk = relative_distance(first.logits, results_[1].logits);
    const double mtp = relative_distance(first.mtp_logits, results_[1].mtp_logits);
    for (const auto& [what, distance] :
         {std::pair("logits", trunk), {"logits of the MTP layer", mtp}}) {
      if (distance <= kMostDistance) continue;
      findings.error(
          absl::StrCat(path_, ": the ", what, " of the cpu and the reference backend are ",
                       distance, " apart, wanted at most ", kMostDistance),
          "The cpu backend computes this model wrongly here: please report it, and use "
          "the option backend with \"reference\" meanwhile.");
    }
    absl::StrAppend(&seen, ", cpu and reference ", std::max(trunk, mtp), " apart");
  }
  if (!first.mtp_logits.empty()) {
    // Row i guesses what follows token i + 1, of which row i + 1 of the trunk is the judge.
    size_t n_same = 0;
    const size_t n = first.mtp_logits.size() / width;
    for (size_t i = 0; i < n; ++i) {
      if (best(first.mtp_logits, i, width) == best(first.logits, i + 1, width)) ++n_same;
    }
    absl::StrAppend(&seen, "; the MTP layer guesses ", n_same, " of ", n,
                    " as the model itself chooses");
  }
  findings.end(std::move(seen));
}

}  // namespace hadal
