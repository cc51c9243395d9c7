// One sequence: its tokens, how far they are computed, their latent cache, and the conversation
// that they may be rendered from. Appending queues; requests compute.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/base/mutex.hpp"
#include "lib/model/latent_cache.hpp"
#include "lib/session/options.hpp"
#include "lib/session/served_model.hpp"
#include "lib/text/chat_format.hpp"

namespace hadal {

class Session {
 public:
  static absl::StatusOr<std::shared_ptr<Session>> create(std::shared_ptr<ServedModel> model,
                                                         const Config& config);

  // [one]; E_BUSY while a request has the session.
  absl::Status append(std::span<const int32_t> tokens);
  absl::Status append_text(absl::string_view text, int32_t flags);
  absl::Status add_message(Message message);
  absl::Status clear_messages();
  absl::Status apply_chat(int32_t flags);
  absl::Status rewind(uint64_t length);
  absl::StatusOr<std::shared_ptr<Session>> fork();

  // [any]
  uint64_t length() const;
  std::vector<int32_t> tokens() const;
  // Of the last token. E_NOT_FOUND if it has not been computed.
  absl::StatusOr<std::vector<float>> logits() const;

  ServedModel& served() const { return *model_; }
  const Model& model() const { return *model_->model; }
  int64_t context() const { return context_; }

  // For the request that has the session. Claimed by one at a time: E_BUSY.
  absl::Status claim();
  void release() { claimed_.store(false, std::memory_order_release); }
  int64_t n_computed() const;
  // Tokens that wait. With `need_logits` the last token is computed again if it has none to show.
  std::vector<int32_t> pending(size_t at_most, bool need_logits);
  size_t n_pending(bool need_logits);
  SessionCache& cache() { return cache_; }
  // n more tokens are computed; logits, if the last of them has some.
  void advance(int64_t n, std::vector<float> logits);
  // Queues a token that was generated. False if the context is full.
  bool push(int32_t token);
  void pop();  // that token, before it is computed
  bool is_full() const { return static_cast<int64_t>(length()) >= context_; }

 private:
  Session(std::shared_ptr<ServedModel> model, int64_t context, DType cache_type);
  absl::Status require_free() const;
  absl::Status require_room(size_t n_more) const;
  absl::Status require_prompt_size(size_t n_bytes) const;
  absl::StatusOr<const ChatFormat*> format() const;
  void cut(size_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void recompute_last_if_needed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<ServedModel> model_;
  const int64_t context_;
  uint64_t limit_prompt_bytes_ = 0, limit_messages_ = 0;
  std::string chat_format_;  // "auto" or a name
  std::atomic<bool> claimed_{false};
  std::vector<Message> messages_;
  SessionCache cache_;

  mutable Mutex mutex_;  // [any] readers against the one writer
  std::vector<int32_t> tokens_ ABSL_GUARDED_BY(mutex_);
  size_t n_computed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<float> logits_ ABSL_GUARDED_BY(mutex_);  // of token n_computed_ - 1, or empty
};

}  // namespace hadal
