#include "lib/session/prefill_request.hpp"

#include <algorithm>

#include "absl/cleanup/cleanup.h"

namespace hadal {

PrefillRequest::PrefillRequest(std::shared_ptr<Session> session)
    : Request(session->served().runtime), session_(std::move(session)) {}

absl::StatusOr<std::shared_ptr<PrefillRequest>> PrefillRequest::create(
    std::shared_ptr<Session> session, const Config& config) {
  HADAL_RETURN_IF_ERROR(config.require_scope(HADAL_SCOPE_REQUEST));
  const std::shared_ptr<PrefillRequest> request(new PrefillRequest(std::move(session)));
  HADAL_RETURN_IF_ERROR(enlist(*request, config.i64(HADAL_OPT_KEEP_LOGITS) != 0));
  return request;
}

absl::Status PrefillRequest::enlist(PrefillRequest& request, bool keep_logits) {
  Session& session = request.session();
  HADAL_RETURN_IF_ERROR(session.claim());
  absl::Cleanup release = [&session] { session.release(); };
  if (session.length() == 0) {
    return fail(HADAL_E_INVALID_ARGUMENT, "the session is empty: there is nothing to compute",
                "Append tokens or text, or add messages and apply the chat format, first.");
  }
  request.n_total_ = static_cast<int64_t>(session.n_pending(/*need_logits=*/true));
  const auto reused = static_cast<uint64_t>(session.n_computed());
  request.update_stats([&](RequestStats& s) { s.reused_tokens = reused; });
  if (keep_logits) {
    // Where everything is computed already, the last token's logits are known, and kept.
    const bool known = request.n_total_ == 0;
    HADAL_ASSIGN_OR_RETURN(request.kept_, KeptLogits::create(*request.runtime().resources().memory,
                                                             session.n_computed() - (known ? 1 : 0),
                                                             known ? 1 : request.n_total_,
                                                             session.model().config().vocab_size));
    if (known) {
      HADAL_ASSIGN_OR_RETURN(const std::vector<float> logits, session.logits());
      request.kept_->put(session.n_computed() - 1, logits);
    }
  }
  Scheduler& scheduler = session.served().scheduler;
  const MutexLock lock(&scheduler.mutex());
  scheduler.add(&request);
  request.enlisted_ = true;
  std::move(release).Cancel();
  return absl::OkStatus();
}

absl::Status PrefillRequest::work(uint64_t unit_budget_ns) {
  if (n_done_ == 0 && !prompt_is_done_) emit_progress(0.0);
  session_->served().scheduler.unit(unit_budget_ns);
  return absl::OkStatus();
}

void PrefillRequest::abandon() {
  if (!enlisted_) return;
  enlisted_ = false;
  session_->served().scheduler.remove(this);
  const RequestStats s = stats();
  runtime().prompt_tokens += s.prompt_tokens;
  runtime().reused_tokens += s.reused_tokens;
  runtime().generated_tokens += s.generated_tokens;
  runtime().prefill_ns += s.prefill_ns;
  runtime().decode_ns += s.decode_ns;
  session_->release();
}

// What goes wrong here is this request's own: the others of the pass must not fail with it.
absl::Status PrefillRequest::rows_done(int64_t n, std::vector<float> logits) {
  return caught([&] { return take_rows(n, std::move(logits)); });
}

absl::Status PrefillRequest::take_rows(int64_t n, std::vector<float> logits) {
  if (!prompt_is_done_) {
    n_done_ += n;
    prompt_is_done_ = !logits.empty();
    update_stats([&](RequestStats& s) {
      s.prompt_tokens = static_cast<uint64_t>(n_done_);
      s.prefill_ns = now_ns() - started_ns();
    });
    emit_progress(prompt_is_done_ ? 1.0
                                  : static_cast<double>(n_done_) /
                                        static_cast<double>(std::max<int64_t>(n_total_, 1)));
  }
  return prompt_is_done_ ? prompt_done(std::move(logits)) : absl::OkStatus();
}

absl::Status PrefillRequest::prompt_done(std::vector<float>) {
  end(absl::OkStatus());
  return absl::OkStatus();
}

void PrefillRequest::take_logits(int32_t position, std::span<const float> logits) {
  kept_->put(position, logits);
}

absl::StatusOr<std::span<const float>> PrefillRequest::logits_at(uint64_t position) const {
  if (kept_ != nullptr) return kept_->at(position);
  return fail(HADAL_E_NOT_FOUND, "the request keeps no logits",
              "Set the option keep_logits on the config of a prefill request.");
}

void PrefillRequest::rows_failed(const absl::Status& status) {
  if (!ended()) end(status);
}

}  // namespace hadal
