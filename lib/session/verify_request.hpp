// Checks a checkpoint, a piece at a time, and tells what it finds as events.
#pragma once

#include <memory>
#include <string>

#include "lib/session/request.hpp"
#include "lib/verify/verifier.hpp"

namespace hadal {

class VerifyRequest : public Request {
 public:
  // config: of scope model.
  static absl::StatusOr<std::shared_ptr<VerifyRequest>> create(std::shared_ptr<Runtime> runtime,
                                                               absl::string_view path,
                                                               const Config& config);

 private:
  VerifyRequest(std::shared_ptr<Runtime> runtime, std::string path, ModelOptions options);
  Mutex& lane() override { return lane_; }
  absl::Status work(uint64_t unit_budget_ns) override;
  void abandon() override { verifier_.reset(); }

  Mutex lane_;
  std::unique_ptr<Verifier> verifier_;
};

}  // namespace hadal
