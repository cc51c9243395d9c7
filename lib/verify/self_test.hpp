// A few tokens through the model on two backends: logits are finite, and the fast backend says what
// the plain loops say. With an MTP layer, its guesses too.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/model/model.hpp"
#include "lib/model/mtp.hpp"
#include "lib/model/transformer.hpp"
#include "lib/verify/finding.hpp"

namespace hadal {

// Moves by small steps: one of loading, or one layer.
class SelfTest {
 public:
  // weight_bytes: what the model's files hold. Small models run on the cpu backend and on the
  // reference, others on the first alone.
  SelfTest(Resources resources, std::string path, ModelOptions options, uint64_t weight_bytes);

  bool done() const { return stage_ == Stage::kDone; }
  double progress() const;
  // Fails where the model cannot be run for want of memory and the like.
  absl::Status step(Findings& findings);

 private:
  enum class Stage { kLoad, kTrunk, kMtp, kDone };
  struct Result {
    std::vector<float> logits, mtp_logits;  // of every row
  };

  void start_loading(const char* backend);
  absl::Status start_pass();
  absl::Status finish_trunk(Findings& findings);
  absl::Status run_mtp(Findings& findings);
  void finish_backend(Findings& findings);

  Resources resources_;
  std::string path_;
  ModelOptions options_;
  bool is_small_;
  std::vector<std::string> backends_;
  size_t backend_ = 0;  // under way
  Stage stage_ = Stage::kLoad;

  std::optional<ModelLoader> loader_;
  std::shared_ptr<Model> model_;
  std::vector<int32_t> tokens_;
  std::optional<SessionCache> cache_, mtp_cache_;
  std::optional<Buffers> buffers_;
  std::optional<ForwardPass> pass_;
  int32_t layer_ = 0;
  std::vector<Result> results_;
};

// How far two sets of logits are apart: the root of their mean square difference, by that of the
// second.
double relative_distance(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace hadal
