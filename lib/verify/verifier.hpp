// Checks a checkpoint from its headers to its answers, in steps that can pause between any two.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/model/model.hpp"
#include "lib/verify/finding.hpp"
#include "lib/verify/self_test.hpp"
#include "lib/verify/tensor_checks.hpp"
#include "lib/verify/value_scan.hpp"

namespace hadal {

class Verifier {
 public:
  Verifier(Resources resources, std::string path, ModelOptions options)
      : resources_(std::move(resources)), path_(std::move(path)), options_(std::move(options)) {}

  // Whatever is wrong with the files is a finding. A failure is one of the machine: no memory, a
  // budget, a bug.
  absl::Status step();
  bool done() const { return stage_ == Stage::kDone; }
  double progress() const;  // 0 to 1
  std::vector<Finding> take_findings() { return findings_.take(); }

 private:
  enum class Stage { kOpen, kConfig, kScales, kTensors, kTokenizer, kValues, kSelfTest, kDone };

  // Makes a finding of a failure that is the file's.
  absl::Status blame(const absl::Status& status);
  absl::Status open();
  absl::Status check_config();
  absl::Status check_tensors();
  absl::Status scan();
  absl::Status run_self_test();

  Resources resources_;
  std::string path_;
  ModelOptions options_;
  Findings findings_;
  Stage stage_ = Stage::kOpen;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::optional<ModelConfig> config_;
  std::optional<MtpSidecar> sidecar_;
  std::optional<ScaleCheck> scales_;
  std::vector<ValueScan> scans_;  // of the checkpoint, and of a sidecar
  size_t scan_ = 0;               // under way
  std::optional<SelfTest> self_test_;
};

}  // namespace hadal
