// Where the time of some runs went, op by op: what a model's profile (hadal_model_profile) grew by
// while they lasted.
#pragma once

#include <cstdint>
#include <hadal/hadal.hpp>
#include <string>
#include <vector>

#include "examples/cli/answer_json.hpp"

namespace cli {

class OpTimes {
 public:
  // begin() and end() enclose a run of n_tokens; begin() again drops one that should not count.
  void begin(const hadal::Model& model) { before_ = model.profile(); }
  void end(const hadal::Model& model, int64_t n_tokens, double seconds);

  // A line for each op, the longest first, then their sum and its part of the runs' time.
  std::string table(const char* title) const;
  // The same: "profile", an array in the same order, and "profile_percent_of_wall".
  void add_to(Json& runs) const;

 private:
  std::vector<hadal::OpProfile> by_time() const;
  uint64_t sum_ns() const;
  double percent_of_wall() const;

  std::vector<hadal::OpProfile> before_;
  std::vector<hadal::OpProfile> ops_;  // sums over the runs, in the order of the model's profile
  int64_t n_tokens_ = 0;
  double seconds_ = 0.0;
};

}  // namespace cli
