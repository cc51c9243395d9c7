// The toy models and what a correct implementation computes for them; and a small way to run one:
// the whole model loaded from a file, one sequence, a pass at a time, everything visible.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lib/base/json.hpp"
#include "lib/model/model.hpp"
#include "lib/model/transformer.hpp"

namespace hadal::test {

struct Toy {
  std::string file;    // below tests/golden/toys
  std::string golden;  // the same
  double logit_tolerance = 2e-4;
};
// Every GGUF file of the toys, and the directories they were made from. Files in f32 hold the
// checkpoint's values bit for bit; so do the bf16 files of toys whose checkpoint is bf16.
std::vector<Toy> all_toys();

Json read_golden(const std::string& path);  // below tests/golden

// threads: workers besides the caller.
std::shared_ptr<Model> load(const std::string& path, const ModelOptions& options = {},
                            int n_workers = 0);

struct PassResult {
  std::vector<std::vector<float>> logits;  // of every row
  // By layer (MoE layers only) and row: experts and their weights.
  struct Routing {
    std::vector<int32_t> experts;
    std::vector<float> weights;
  };
  std::vector<std::vector<Routing>> routing;  // [layer][row]
};

// One sequence on a model.
class Sequence {
 public:
  explicit Sequence(Model& model);
  PassResult run(std::span<const int32_t> tokens);
  std::vector<float> cache_row(int32_t layer, int32_t position);
  int32_t length() const { return length_; }

 private:
  Model& model_;
  SessionCache cache_;
  int32_t length_ = 0;
};

int32_t argmax(std::span<const float> values);

}  // namespace hadal::test
