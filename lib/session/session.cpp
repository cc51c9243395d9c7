#include "lib/session/session.hpp"

#include <algorithm>

namespace hadal {
namespace {

absl::Status busy() {
  return fail(HADAL_E_BUSY, "a request has the session",
              "Move the request to its end, or cancel or free it first.");
}

}  // namespace

Session::Session(std::shared_ptr<ServedModel> model, int64_t context, DType cache_type)
    : model_(std::move(model)),
      context_(context),
      cache_(model_->model->latent_cache(cache_type)) {}

absl::StatusOr<std::shared_ptr<Session>> Session::create(std::shared_ptr<ServedModel> model,
                                                         const Config& config) {
  HADAL_RETURN_IF_ERROR(config.require_scope(HADAL_SCOPE_SESSION));
  if (model->model->is_headers_only()) {
    return fail(HADAL_E_INVALID_ARGUMENT,
                "the model was loaded with the option headers_only: it has no weights to run",
                "Load it without that option.");
  }
  const int64_t most = model->model->config().max_position_embeddings;
  int64_t context = config.i64(HADAL_OPT_CONTEXT);
  if (context > most) {
    return fail(HADAL_E_OUT_OF_RANGE,
                absl::StrCat("a context of ", context, " tokens; the model was trained for ", most),
                absl::StrCat("Set the option context to at most ", most, ", or leave it at 0."));
  }
  if (context == 0) context = most;
  DType cache_type = model->model->backend().usual_cache_type();
  if (const std::string wanted = config.str(HADAL_OPT_CACHE_TYPE); wanted != "auto") {
    HADAL_ASSIGN_OR_RETURN(cache_type, LatentCache::type_from_name(wanted, model->model->config()));
  }
  const std::string chat = config.str(HADAL_OPT_CHAT_FORMAT);
  if (chat != "auto") HADAL_RETURN_IF_ERROR(chat_format(chat).status());

  const std::shared_ptr<Session> session(new Session(std::move(model), context, cache_type));
  session->chat_format_ = chat;
  session->limit_prompt_bytes_ = static_cast<uint64_t>(config.i64(HADAL_OPT_LIMIT_PROMPT_BYTES));
  session->limit_messages_ = static_cast<uint64_t>(config.i64(HADAL_OPT_LIMIT_MESSAGES));
  return session;
}

absl::Status Session::claim() {
  // Not looked at twice: the other may release it meanwhile, and then nobody would have claimed it.
  return claimed_.exchange(true, std::memory_order_acq_rel) ? busy() : absl::OkStatus();
}

absl::Status Session::require_free() const {
  return claimed_.load(std::memory_order_acquire) ? busy() : absl::OkStatus();
}

absl::Status Session::require_room(size_t n_more) const {
  const uint64_t used = length();
  if (n_more <= static_cast<uint64_t>(context_) - used) return absl::OkStatus();
  return fail(HADAL_E_CONTEXT_FULL,
              absl::StrCat(n_more, " tokens given, but of the context of ", context_, " tokens ",
                           used, " are used"),
              "Rewind the session, give less, or create it with a larger option context.");
}

absl::Status Session::require_prompt_size(size_t n_bytes) const {
  if (n_bytes > Tokenizer::kMostBytes) {
    return fail(HADAL_E_LIMIT, absl::StrCat("a text of ", n_bytes, " bytes"),
                absl::StrCat("Give it in parts of at most ", Tokenizer::kMostBytes, " bytes."));
  }
  if (n_bytes <= limit_prompt_bytes_) return absl::OkStatus();
  return fail(HADAL_E_LIMIT,
              absl::StrCat("a text of ", n_bytes, " bytes; at most ", limit_prompt_bytes_,
                           " are taken at once"),
              "Raise the option limit_prompt_bytes.");
}

absl::Status Session::append(std::span<const int32_t> tokens) {
  HADAL_RETURN_IF_ERROR(require_free());
  // The model may have more rows than that; they mean nothing, and the tokenizer knows no text.
  const int32_t n_tokens = model().tokenizer()->n_tokens();
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= n_tokens) {
      return fail(
          HADAL_E_OUT_OF_RANGE,
          absl::StrCat("token ", i, " is ", tokens[i], ", outside the vocabulary of ", n_tokens),
          "Take ids from this model's own tokenizer.");
    }
  }
  HADAL_RETURN_IF_ERROR(require_room(tokens.size()));
  const MutexLock lock(&mutex_);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  return absl::OkStatus();
}

absl::Status Session::append_text(absl::string_view text, int32_t flags) {
  HADAL_RETURN_IF_ERROR(require_free());
  HADAL_RETURN_IF_ERROR(require_prompt_size(text.size()));
  const Tokenizer& tokenizer = *model().tokenizer();
  std::vector<int32_t> ids = tokenizer.encode(text, (flags & HADAL_TEXT_SPECIAL) != 0);
  const auto bos = tokenizer.bos_id();
  const bool begins_with_bos = bos && !ids.empty() && ids.front() == *bos;
  if ((flags & HADAL_TEXT_BOS) != 0 && bos && length() == 0 && !begins_with_bos) {
    ids.insert(ids.begin(), *bos);
  }
  return append(ids);
}

absl::Status Session::add_message(Message message) {
  HADAL_RETURN_IF_ERROR(require_free());
  size_t n_bytes = message.content.size() + message.tool_call_id.size();
  for (const ToolCall& call : message.tool_calls) {
    n_bytes += call.id.size() + call.type.size() + call.name.size() + call.arguments.size();
  }
  HADAL_RETURN_IF_ERROR(require_prompt_size(n_bytes));
  if (messages_.size() >= limit_messages_) {
    return fail(HADAL_E_LIMIT, absl::StrCat("more than ", limit_messages_, " messages"),
                "Raise the option limit_messages, or begin a new conversation.");
  }
  messages_.push_back(std::move(message));
  return absl::OkStatus();
}

absl::Status Session::clear_messages() {
  HADAL_RETURN_IF_ERROR(require_free());
  messages_.clear();
  return absl::OkStatus();
}

absl::StatusOr<const ChatFormat*> Session::format() const {
  if (chat_format_ != "auto") return chat_format(chat_format_);
  return recognise_chat_format(model().tokenizer()->chat_template());
}

absl::Status Session::apply_chat(int32_t flags) {
  HADAL_RETURN_IF_ERROR(require_free());
  HADAL_ASSIGN_OR_RETURN(const ChatFormat* format, this->format());
  const ChatOptions options{.add_generation_prompt = (flags & HADAL_CHAT_PROMPT) != 0,
                            .thinking = (flags & HADAL_CHAT_THINK) != 0};
  HADAL_ASSIGN_OR_RETURN(const std::vector<Piece> pieces, format->render(messages_, options));
  const std::vector<int32_t> ids = encode_pieces(*model().tokenizer(), pieces);
  if (ids.size() > static_cast<size_t>(context_)) {
    return fail(
        HADAL_E_CONTEXT_FULL,
        absl::StrCat("the conversation is ", ids.size(), " tokens long, the context ", context_),
        "Drop early messages, or create the session with a larger option context.");
  }
  const MutexLock lock(&mutex_);
  size_t common = 0;
  while (common < ids.size() && common < tokens_.size() && ids[common] == tokens_[common]) ++common;
  cut(common);
  tokens_.insert(tokens_.end(), ids.begin() + static_cast<ptrdiff_t>(common), ids.end());
  return absl::OkStatus();
}

absl::Status Session::rewind(uint64_t length) {
  HADAL_RETURN_IF_ERROR(require_free());
  const MutexLock lock(&mutex_);
  if (length > tokens_.size()) {
    return fail(
        HADAL_E_OUT_OF_RANGE,
        absl::StrCat("rewinding to ", length, ", but the session has ", tokens_.size(), " tokens"),
        "Rewind to at most hadal_session_length().");
  }
  cut(static_cast<size_t>(length));
  return absl::OkStatus();
}

void Session::cut(size_t length) {
  if (length >= tokens_.size()) return;
  tokens_.resize(length);
  if (n_computed_ > length) {
    n_computed_ = length;
    logits_.clear();
    cache_.truncate(static_cast<int64_t>(length));
  }
}

absl::StatusOr<std::shared_ptr<Session>> Session::fork() {
  HADAL_RETURN_IF_ERROR(require_free());
  const std::shared_ptr<Session> child(
      new Session(model_, context_, cache_.latent_cache().row().latent));
  child->chat_format_ = chat_format_;
  child->limit_prompt_bytes_ = limit_prompt_bytes_;
  child->limit_messages_ = limit_messages_;
  child->messages_ = messages_;
  child->cache_ = cache_;  // the pages are shared until one of the two writes
  const MutexLock lock(&mutex_);
  const MutexLock child_lock(&child->mutex_);
  child->tokens_ = tokens_;
  child->n_computed_ = n_computed_;
  child->logits_ = logits_;
  return child;
}

uint64_t Session::length() const {
  const MutexLock lock(&mutex_);
  return tokens_.size();
}

std::vector<int32_t> Session::tokens() const {
  const MutexLock lock(&mutex_);
  return tokens_;
}

absl::StatusOr<std::vector<float>> Session::logits() const {
  const MutexLock lock(&mutex_);
  if (!logits_.empty() && n_computed_ == tokens_.size()) return logits_;
  return fail(
      HADAL_E_NOT_FOUND,
      absl::StrCat("no logits: of ", tokens_.size(), " tokens ", n_computed_, " are computed"),
      "Move a prefill request to its end first.");
}

int64_t Session::n_computed() const {
  const MutexLock lock(&mutex_);
  return static_cast<int64_t>(n_computed_);
}

void Session::recompute_last_if_needed() {
  // After a rewind the cache is there, but the logits of its last row are not.
  if (n_computed_ == tokens_.size() && logits_.empty() && n_computed_ > 0) --n_computed_;
}

size_t Session::n_pending(bool need_logits) {
  const MutexLock lock(&mutex_);
  if (need_logits) recompute_last_if_needed();
  return tokens_.size() - n_computed_;
}

std::vector<int32_t> Session::pending(size_t at_most, bool need_logits) {
  const MutexLock lock(&mutex_);
  if (need_logits) recompute_last_if_needed();
  const size_t n = std::min(at_most, tokens_.size() - n_computed_);
  const auto first = tokens_.begin() + static_cast<ptrdiff_t>(n_computed_);
  return {first, first + static_cast<ptrdiff_t>(n)};
}

void Session::advance(int64_t n, std::vector<float> logits) {
  const MutexLock lock(&mutex_);
  n_computed_ += static_cast<size_t>(n);
  logits_ = std::move(logits);
}

bool Session::push(int32_t token) {
  const MutexLock lock(&mutex_);
  if (static_cast<int64_t>(tokens_.size()) >= context_) return false;
  tokens_.push_back(token);
  return true;
}

void Session::pop() {
  const MutexLock lock(&mutex_);
  HADAL_CHECK(tokens_.size() > n_computed_);
  tokens_.pop_back();
}

}  // namespace hadal
