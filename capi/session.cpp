// hadal_session: one sequence.
#include "capi/arguments.hpp"
#include "capi/config_argument.hpp"
#include "capi/guard.hpp"
#include "lib/session/generate_request.hpp"
#include "lib/session/prefill_request.hpp"

using hadal::capi::guard;
using hadal::capi::guard_any;

namespace {

// A handle for the request that `create` makes. The handle is there first: a request without an
// owner would stay on its scheduler's list.
template <class Create>
absl::Status make_request(hadal_request** out, Create&& create) {
  auto handle = std::make_unique<hadal_request>(nullptr);
  HADAL_ASSIGN_OR_RETURN(handle->impl, create());
  *out = handle.release();
  return absl::OkStatus();
}

}  // namespace

hadal_status hadal_session_create(hadal_model* model, const hadal_config* config,
                                  hadal_session** out, hadal_error** error) {
  return guard_any(model, error, [&](hadal_model& m) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config options, hadal::capi::config_in(config));
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<hadal::Session> session,
                           hadal::Session::create(m.impl, options));
    *out = new hadal_session(std::move(session));
    return absl::OkStatus();
  });
}

hadal_status hadal_session_append_tokens(hadal_session* session, const int32_t* tokens,
                                         size_t n_tokens, hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const std::span<const int32_t> ids,
                           hadal::capi::array_in("tokens", tokens, n_tokens));
    return s.impl->append(ids);
  });
}

hadal_status hadal_session_append_text(hadal_session* session, const char* text, size_t text_size,
                                       int32_t flags, hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::flags_in(flags, HADAL_TEXT_SPECIAL | HADAL_TEXT_BOS));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view bytes,
                           hadal::capi::bytes_in("text", text, text_size));
    return s.impl->append_text(bytes, flags);
  });
}

hadal_status hadal_session_add_message(hadal_session* session, const char* role, size_t role_size,
                                       const char* content, size_t content_size,
                                       hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const absl::string_view role_text,
                           hadal::capi::text_in("role", role, role_size));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view text,
                           hadal::capi::text_in("content", content, content_size));
    hadal::Message message;
    HADAL_ASSIGN_OR_RETURN(message.role, hadal::role_from_name(role_text));
    message.content = std::string(text);
    return s.impl->add_message(std::move(message));
  });
}

hadal_status hadal_session_add_message_json(hadal_session* session, const char* json,
                                            size_t json_size, hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const absl::string_view text,
                           hadal::capi::text_in("json", json, json_size));
    HADAL_ASSIGN_OR_RETURN(hadal::Message message, hadal::message_from_json(text));
    return s.impl->add_message(std::move(message));
  });
}

hadal_status hadal_session_apply_chat(hadal_session* session, int32_t flags, hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::flags_in(flags, HADAL_CHAT_PROMPT | HADAL_CHAT_THINK));
    return s.impl->apply_chat(flags);
  });
}

hadal_status hadal_session_clear_messages(hadal_session* session, hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) { return s.impl->clear_messages(); });
}

uint64_t hadal_session_length(const hadal_session* session) {
  uint64_t length = 0;
  guard_any(session, nullptr, [&](const hadal_session& s) {
    length = s.impl->length();
    return absl::OkStatus();
  });
  return length;
}

hadal_status hadal_session_tokens(const hadal_session* session, int32_t* tokens, size_t tokens_cap,
                                  size_t* n_tokens, hadal_error** error) {
  return guard_any(session, error, [&](const hadal_session& s) {
    const std::vector<int32_t> ids = s.impl->tokens();
    return hadal::capi::array_out<int32_t>("tokens", ids, tokens, tokens_cap, n_tokens);
  });
}

hadal_status hadal_session_rewind(hadal_session* session, uint64_t length, hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) { return s.impl->rewind(length); });
}

hadal_status hadal_session_fork(hadal_session* session, hadal_session** out, hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<hadal::Session> child, s.impl->fork());
    *out = new hadal_session(std::move(child));
    return absl::OkStatus();
  });
}

hadal_status hadal_session_prefill(hadal_session* session, const hadal_config* config,
                                   hadal_request** out, hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config options, hadal::capi::config_in(config));
    return make_request(out, [&] { return hadal::PrefillRequest::create(s.impl, options); });
  });
}

hadal_status hadal_session_logits(const hadal_session* session, float* logits, size_t logits_cap,
                                  size_t* n_logits, hadal_error** error) {
  return guard_any(session, error, [&](const hadal_session& s) -> absl::Status {
    HADAL_ASSIGN_OR_RETURN(const std::vector<float> values, s.impl->logits());
    return hadal::capi::array_out<float>("logits", values, logits, logits_cap, n_logits);
  });
}

hadal_status hadal_session_generate(hadal_session* session, const hadal_sampler* sampler,
                                    const hadal_config* config, hadal_request** out,
                                    hadal_error** error) {
  return guard(session, error, [&](hadal_session& s) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    HADAL_RETURN_IF_ERROR(hadal::capi::check_pointer(sampler, hadal_sampler::kKind));
    HADAL_ASSIGN_OR_RETURN(const hadal::Config options, hadal::capi::config_in(config));
    return make_request(
        out, [&] { return hadal::GenerateRequest::create(s.impl, sampler->impl, options); });
  });
}

void hadal_session_free(hadal_session* session) {
  if (hadal::capi::may_free(session)) delete session;
}
