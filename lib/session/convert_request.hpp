// Writes a checkpoint from a checkpoint, a piece at a time.
#pragma once

#include <memory>
#include <string>

#include "lib/convert/conversion.hpp"
#include "lib/session/request.hpp"

namespace hadal {

// What a config of scope convert says. Reads the importance matrix if it names one.
absl::StatusOr<ConversionOptions> conversion_options(const Runtime& runtime, const Config& config);
ConversionTools conversion_tools(const Runtime& runtime);

class ConvertRequest : public Request {
 public:
  static absl::StatusOr<std::shared_ptr<ConvertRequest>> create(std::shared_ptr<Runtime> runtime,
                                                                absl::string_view from,
                                                                absl::string_view to,
                                                                const Config& config);

 private:
  ConvertRequest(std::shared_ptr<Runtime> runtime, std::string from, std::string to,
                 ConversionOptions options);
  Mutex& lane() override { return lane_; }
  absl::Status work(uint64_t unit_budget_ns) override;
  void abandon() override;

  Mutex lane_;
  std::unique_ptr<Conversion> conversion_;
};

}  // namespace hadal
