// Loads a model: headers, tokenizer, weights, a piece at a time.
#pragma once

#include <memory>
#include <string>

#include "lib/session/request.hpp"
#include "lib/session/served_model.hpp"

namespace hadal {

// What a config says of files from strangers.
CheckpointOptions input_limits(const Config& config);

// What a config of scope model says, under a runtime.
absl::StatusOr<ModelOptions> model_options(const Runtime& runtime, const Config& config);

class LoadRequest : public Request {
 public:
  static absl::StatusOr<std::shared_ptr<LoadRequest>> create(std::shared_ptr<Runtime> runtime,
                                                             absl::string_view path,
                                                             const Config& config);

  // E_INVALID_ARGUMENT before the end, and of a load that failed.
  absl::StatusOr<std::shared_ptr<ServedModel>> model();

 private:
  LoadRequest(std::shared_ptr<Runtime> runtime, std::string path, ModelOptions options);
  Mutex& lane() override { return lane_; }
  absl::Status work(uint64_t unit_budget_ns) override;
  void abandon() override;

  Mutex lane_;
  std::unique_ptr<ModelLoader> loader_;
  std::shared_ptr<ServedModel> model_;
};

}  // namespace hadal
