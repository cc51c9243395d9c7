// hadal_request: work that a host moves.
#include <algorithm>

#include "capi/arguments.hpp"
#include "capi/guard.hpp"
#include "lib/session/generate_request.hpp"
#include "lib/session/load_request.hpp"

using hadal::capi::guard;
using hadal::capi::guard_any;

hadal_status hadal_request_step(hadal_request* request, uint64_t budget_ns, hadal_error** error) {
  return guard(request, error, [&](hadal_request& r) { return r.impl->step(budget_ns); });
}

hadal_status hadal_request_poll(hadal_request* request, hadal_event* out, hadal_error** error) {
  return guard(request, error, [&](hadal_request& r) -> absl::StatusOr<hadal_status> {
    // Before an event is taken: one that cannot be written must not be lost.
    HADAL_RETURN_IF_ERROR(hadal::capi::require_struct("out", out));
    HADAL_ASSIGN_OR_RETURN(const hadal_status status, r.impl->poll(r.polled));
    if (status != HADAL_EVENT) return status;
    HADAL_RETURN_IF_ERROR(hadal::capi::struct_out("out", hadal::public_event(r.polled), out));
    return status;
  });
}

hadal_status hadal_request_wait(hadal_request* request, uint64_t timeout_ns, hadal_error** error) {
  return guard(request, error, [&](hadal_request& r) { return r.impl->wait(timeout_ns); });
}

void hadal_request_cancel(hadal_request* request) {
  // Nothing here but one atomic store: it may run inside a signal handler, where a registry's lock
  // must not be taken.
  if (request != nullptr) request->impl->cancel();
}

hadal_status hadal_request_set_callback(hadal_request* request, hadal_event_fn fn, void* user_data,
                                        void (*destroy)(void* user_data), hadal_error** error) {
  return guard(request, error, [&](hadal_request& r) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("fn", fn));
    return r.impl->set_callback({fn, user_data, destroy});
  });
}

hadal_status hadal_request_take_model(hadal_request* request, hadal_model** out,
                                      hadal_error** error) {
  return guard(request, error, [&](hadal_request& r) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("out", out));
    auto* load = dynamic_cast<hadal::LoadRequest*>(r.impl.get());
    if (load == nullptr) {
      return hadal::fail(HADAL_E_INVALID_ARGUMENT, "the request does not load a model",
                         "Give the request made by hadal_model_load.");
    }
    HADAL_ASSIGN_OR_RETURN(std::shared_ptr<hadal::ServedModel> model, load->model());
    *out = new hadal_model(std::move(model));
    return absl::OkStatus();
  });
}

hadal_status hadal_request_logprobs(const hadal_request* request, uint64_t position,
                                    int32_t* tokens, float* logprobs, size_t top_cap, size_t* n_top,
                                    hadal_error** error) {
  return guard_any(request, error, [&](const hadal_request& r) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::require("n_top", n_top));
    if (top_cap != 0) {
      HADAL_RETURN_IF_ERROR(hadal::capi::require("tokens", tokens));
      HADAL_RETURN_IF_ERROR(hadal::capi::require("logprobs", logprobs));
    }
    const auto* generate = dynamic_cast<const hadal::GenerateRequest*>(r.impl.get());
    if (generate == nullptr) {
      return hadal::fail(HADAL_E_INVALID_ARGUMENT, "the request does not generate",
                         "Give the request made by hadal_session_generate.");
    }
    HADAL_ASSIGN_OR_RETURN(const auto best, generate->best_at(position));
    if (top_cap == 0 && !best.empty()) {
      *n_top = best.size();
      return hadal::fail(HADAL_E_BUFFER_TOO_SMALL,
                         absl::StrCat("no room for the ", best.size(), " tokens kept"),
                         "Call again with buffers; a smaller one takes the best of them.");
    }
    *n_top = std::min(top_cap, best.size());
    for (size_t i = 0; i < *n_top; ++i) {
      tokens[i] = best[i].first;
      logprobs[i] = best[i].second;
    }
    return absl::OkStatus();
  });
}

hadal_status hadal_request_logits(const hadal_request* request, uint64_t position, float* logits,
                                  size_t logits_cap, size_t* n_logits, hadal_error** error) {
  return guard_any(request, error, [&](const hadal_request& r) -> absl::Status {
    const auto* prefill = dynamic_cast<const hadal::PrefillRequest*>(r.impl.get());
    if (prefill == nullptr) {
      return hadal::fail(HADAL_E_INVALID_ARGUMENT, "the request computes no tokens",
                         "Give the request made by hadal_session_prefill.");
    }
    HADAL_ASSIGN_OR_RETURN(const std::span<const float> values, prefill->logits_at(position));
    return hadal::capi::array_out<float>("logits", values, logits, logits_cap, n_logits);
  });
}

hadal_status hadal_request_stats(const hadal_request* request, hadal_stats* out,
                                 hadal_error** error) {
  return guard_any(request, error, [&](const hadal_request& r) -> absl::Status {
    const hadal::RequestStats s = r.impl->stats();
    const hadal::Memory& memory = *r.impl->runtime().resources().memory;
    hadal_stats stats = {};
    stats.prompt_tokens = s.prompt_tokens;
    stats.reused_tokens = s.reused_tokens;
    stats.generated_tokens = s.generated_tokens;
    stats.queue_ns = s.queue_ns;
    stats.prefill_ns = s.prefill_ns;
    stats.first_token_ns = s.first_token_ns;
    stats.decode_ns = s.decode_ns;
    stats.seed = s.seed;
    stats.read_bytes = s.read_bytes;
    stats.host_bytes = memory.live_bytes();
    stats.host_peak = memory.peak_bytes();
    return hadal::capi::struct_out("out", stats, out);
  });
}

void hadal_request_free(hadal_request* request) {
  if (!hadal::capi::may_free(request)) return;
  request->impl->close();
  delete request;
}
