// Computes what a session has queued, then writes on, token by token, until the model ends its
// turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lib/sampling/sampler.hpp"
#include "lib/session/prefill_request.hpp"
#include "lib/text/answer_stream.hpp"

namespace hadal {

class GenerateRequest : public PrefillRequest {
 public:
  static absl::StatusOr<std::shared_ptr<GenerateRequest>> create(std::shared_ptr<Session> session,
                                                                 const Sampler& sampler,
                                                                 const Config& config);

  // The n best at a position of the session, best first. E_NOT_FOUND. [any]
  absl::StatusOr<std::vector<std::pair<int32_t, float>>> best_at(uint64_t position) const;

 private:
  GenerateRequest(std::shared_ptr<Session> session, const Sampler& sampler, const Config& config);
  absl::Status prompt_done(std::vector<float> logits) override;
  void announce(int32_t token, float logprob);
  void emit_text(std::vector<TextPart> parts);
  void finish(int32_t reason);

  const Sampler sampler_;
  const int64_t max_tokens_;
  const int64_t n_logprobs_;
  const std::vector<std::string> stop_texts_;
  std::optional<AnswerStream> answer_;
  int64_t n_generated_ = 0;
  uint64_t first_token_at_ns_ = 0;

  mutable Mutex best_mutex_;
  uint64_t first_position_ ABSL_GUARDED_BY(best_mutex_) = 0;
  std::vector<std::vector<std::pair<int32_t, float>>> best_ ABSL_GUARDED_BY(best_mutex_);
};

}  // namespace hadal
