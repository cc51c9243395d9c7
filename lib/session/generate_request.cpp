#include "lib/session/generate_request.hpp"

#include <limits>

#include "absl/cleanup/cleanup.h"

namespace hadal {

GenerateRequest::GenerateRequest(std::shared_ptr<Session> session, const Sampler& sampler,
                                 const Config& config)
    : PrefillRequest(std::move(session)),
      sampler_(sampler),
      max_tokens_(config.i64(HADAL_OPT_MAX_TOKENS)),
      n_logprobs_(config.i64(HADAL_OPT_LOGPROBS)),
      stop_texts_(config.strs(HADAL_OPT_STOP)) {
  update_stats([&](RequestStats& s) { s.seed = sampler_.seed(); });
}

absl::StatusOr<std::shared_ptr<GenerateRequest>> GenerateRequest::create(
    std::shared_ptr<Session> session, const Sampler& sampler, const Config& config) {
  HADAL_RETURN_IF_ERROR(config.require_scope(HADAL_SCOPE_REQUEST));
  if (config.i64(HADAL_OPT_KEEP_LOGITS) != 0) {
    return fail(HADAL_E_INVALID_ARGUMENT, "the option keep_logits is for prefill requests",
                "Prefill the prompt with it, then generate.");
  }
  const std::shared_ptr<GenerateRequest> request(
      new GenerateRequest(std::move(session), sampler, config));
  HADAL_RETURN_IF_ERROR(enlist(*request));
  return request;
}

absl::Status GenerateRequest::prompt_done(std::vector<float> logits) {
  Session& session = this->session();
  const std::vector<int32_t> tokens = session.tokens();
  const Tokenizer& tokenizer = *session.model().tokenizer();
  if (!answer_) answer_.emplace(tokenizer, tokens, stop_texts_);
  if (session.is_full()) {
    finish(HADAL_FINISH_CONTEXT);
    return absl::OkStatus();
  }

  // The draw's number is the position, so that a continued session draws as an unbroken one.
  HADAL_ASSIGN_OR_RETURN(
      const int32_t token,
      sampler_.pick(logits, tokens, session.model().sampled_rows(), tokens.size()));
  float logprob = std::numeric_limits<float>::quiet_NaN();
  if (n_logprobs_ > 0) {
    LogProbabilities p = log_probabilities(logits, token, n_logprobs_ > 1 ? n_logprobs_ : 0);
    logprob = p.chosen;
    const MutexLock lock(&best_mutex_);
    if (best_.empty()) first_position_ = tokens.size();
    best_.push_back(std::move(p.best));
  }
  HADAL_CHECK(session.push(token));
  absl::Cleanup take_back = [&session] { session.pop(); };
  announce(token, logprob);
  std::move(take_back).Cancel();

  const bool ends = tokenizer.ends_generation(token);
  if (!ends) emit_text(answer_->push(token));
  if (ends || answer_->stopped()) {
    emit_text(answer_->finish());
    finish(answer_->saw_tool_call() ? HADAL_FINISH_TOOL : HADAL_FINISH_STOP);
  } else if (max_tokens_ > 0 && n_generated_ >= max_tokens_) {
    emit_text(answer_->finish());
    finish(HADAL_FINISH_LENGTH);
  } else if (session.is_full()) {
    emit_text(answer_->finish());
    finish(HADAL_FINISH_CONTEXT);
  }
  return absl::OkStatus();
}

void GenerateRequest::announce(int32_t token, float logprob) {
  ++n_generated_;
  const uint64_t now = now_ns();
  if (first_token_at_ns_ == 0) first_token_at_ns_ = now;
  update_stats([&](RequestStats& s) {
    s.generated_tokens = static_cast<uint64_t>(n_generated_);
    s.first_token_ns = first_token_at_ns_ - started_ns();
    s.decode_ns = now - first_token_at_ns_;
  });
  Event event;
  event.kind = HADAL_EVENT_TOKEN;
  event.token = token;
  event.logprob = logprob;
  emit(std::move(event));
}

void GenerateRequest::emit_text(std::vector<TextPart> parts) {
  for (TextPart& part : parts) {
    if (part.text.empty()) continue;
    Event event;
    event.kind = HADAL_EVENT_TEXT;
    event.channel = static_cast<int32_t>(part.channel);
    event.text = std::move(part.text);
    emit(std::move(event));
  }
}

void GenerateRequest::finish(int32_t reason) {
  Event event;
  event.kind = HADAL_EVENT_FINISH;
  event.finish = reason;
  emit(std::move(event));
  end(absl::OkStatus());
}

absl::StatusOr<std::vector<std::pair<int32_t, float>>> GenerateRequest::best_at(
    uint64_t position) const {
  const MutexLock lock(&best_mutex_);
  if (position < first_position_ || position - first_position_ >= best_.size() ||
      best_[position - first_position_].empty()) {
    return fail(HADAL_E_NOT_FOUND,
                absl::StrCat("no log-probabilities at position ", position, ": ", best_.size(),
                             " are kept from position ", first_position_, " on"),
                "Set the option logprobs above 1 on the config of the request, and ask for a "
                "position that it generated.");
  }
  return best_[position - first_position_];
}

}  // namespace hadal
