#include "lib/session/verify_request.hpp"

#include "lib/session/load_request.hpp"

namespace hadal {

VerifyRequest::VerifyRequest(std::shared_ptr<Runtime> runtime, std::string path,
                             ModelOptions options)
    : Request(std::move(runtime)),
      verifier_(std::make_unique<Verifier>(this->runtime().resources(), std::move(path),
                                           std::move(options))) {}

absl::StatusOr<std::shared_ptr<VerifyRequest>> VerifyRequest::create(
    std::shared_ptr<Runtime> runtime, absl::string_view path, const Config& config) {
  HADAL_ASSIGN_OR_RETURN(ModelOptions options, model_options(*runtime, config));
  options.headers_only = false;  // of loading alone; the self-test loads
  return std::shared_ptr<VerifyRequest>(
      new VerifyRequest(std::move(runtime), std::string(path), std::move(options)));
}

absl::Status VerifyRequest::work(uint64_t) {
  emit_progress(0.0);
  const absl::Status status = verifier_->step();
  for (const Finding& finding : verifier_->take_findings()) {
    Event event;
    event.kind = HADAL_EVENT_TEXT;
    event.text = finding_json(finding);
    emit(std::move(event));
  }
  HADAL_RETURN_IF_ERROR(status);
  emit_progress(verifier_->progress());
  if (verifier_->done()) end(absl::OkStatus());
  return absl::OkStatus();
}

}  // namespace hadal
