// Computes what a session has queued.
#pragma once

#include <memory>
#include <span>

#include "lib/session/kept_logits.hpp"
#include "lib/session/request.hpp"
#include "lib/session/scheduler.hpp"
#include "lib/session/session.hpp"

namespace hadal {

class PrefillRequest : public Request, protected Rows {
 public:
  static absl::StatusOr<std::shared_ptr<PrefillRequest>> create(std::shared_ptr<Session> session,
                                                                const Config& config);

  // After the token at a position of the session, under the option keep_logits. E_NOT_FOUND. [any]
  absl::StatusOr<std::span<const float>> logits_at(uint64_t position) const;

 protected:
  explicit PrefillRequest(std::shared_ptr<Session> session);
  // Puts the request on the scheduler's list; claims the session.
  static absl::Status enlist(PrefillRequest& request, bool keep_logits = false);

  Mutex& lane() final { return session_->served().scheduler.mutex(); }
  // The lane is the scheduler's mutex, and held here; the analysis cannot see that.
  absl::Status work(uint64_t unit_budget_ns) final ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void abandon() override ABSL_NO_THREAD_SAFETY_ANALYSIS;

  Session& session() final { return *session_; }
  bool wants_all_logits() final { return kept_ != nullptr; }
  void take_logits(int32_t position, std::span<const float> logits) final;
  bool wants_rows() final { return can_work() && !cancel_wanted(); }
  absl::Status rows_done(int64_t n, std::vector<float> logits) final;
  void rows_failed(const absl::Status& status) final;

  // Every queued token is computed; logits are those of the last.
  virtual absl::Status prompt_done(std::vector<float> logits);

 private:
  absl::Status take_rows(int64_t n, std::vector<float> logits);

  const std::shared_ptr<Session> session_;
  std::unique_ptr<KeptLogits> kept_;  // null without keep_logits; set before the request starts
  bool enlisted_ = false;
  int64_t n_total_ = 0;  // rows of the prompt
  int64_t n_done_ = 0;
  bool prompt_is_done_ = false;
};

}  // namespace hadal
