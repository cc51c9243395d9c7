// Any backend, with sums over what goes into its products with weights: for every column of a
// weight, in each of its slices, the squares of the inputs that were multiplied with it. What an
// importance matrix is made of. Results are those of the backend below.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/backend.hpp"
#include "lib/base/hash_map.hpp"
#include "lib/base/mutex.hpp"

namespace hadal {

// What has gone into a weight so far.
struct InputSums {
  int64_t slices = 0, cols = 0;
  std::vector<double> squares;   // [slices, cols]
  std::vector<uint64_t> counts;  // [slices], rows that went into each
};

class ImatrixBackend : public Backend {
 public:
  ImatrixBackend(std::unique_ptr<Backend> inner, std::shared_ptr<Memory> memory)
      : inner_(std::move(inner)), memory_(std::move(memory)) {}

  // Nothing has gone into it: no slices. Thread-safe, also while ops run.
  InputSums input_of(const Weight& w) const;
  // The latents that a kv_b_proj in one piece would have been multiplied with, by the gain that
  // they were normalised with: the same for its halves, of which one sees queries instead.
  InputSums latents_of(const Weight& gain) const { return input_of(gain); }

  const char* name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  uint64_t scratch_bytes(const PassShape& shape) const override;
  absl::StatusOr<Weight> upload(const WeightSource& source) override {
    return inner_->upload(source);
  }
  absl::StatusOr<Buffer> allocate(DType dtype, int64_t rows, int64_t cols, MemoryTag tag) override {
    return inner_->allocate(dtype, rows, cols, tag);
  }
  void write(const Tensor& to, const void* from) override;
  absl::Status read(const Tensor& from, void* to) override;

  void embed(const Tensor& token_id, const Weight& w, const Tensor& out) override;
  void rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) override;
  void matmul(const Tensor& x, const Weight& w, const Tensor& out) override;
  void rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) override;
  void latent_append(const LatentAppendArgs& args) override;
  void per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) override;
  void mla_attention(const MlaAttentionArgs& args) override;
  void mla_attention_expanded(const MlaExpandedArgs& args) override;
  // The absorbed form shows what goes into both halves of kv_b_proj.
  bool may_expand_attention() const override { return false; }
  DType usual_cache_type() const override { return inner_->usual_cache_type(); }
  void moe_route(const MoeRouteArgs& args) override;
  void moe_ffn(const MoeFfnArgs& args) override;
  void swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) override;
  void add(const Tensor& x, const Tensor& sum) override;
  void gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) override;

  absl::Status wait() override;

 private:
  struct Entry {
    int64_t slices = 0, cols = 0;
    Block squares;  // doubles
    std::vector<uint64_t> counts;
    double* slice(int64_t s) const { return reinterpret_cast<double*>(squares.data()) + s * cols; }
  };
  // A weight is known by its first byte: copies of a Weight are the same weight.
  static const void* key_of(const Weight& w) {
    return w.data != nullptr ? static_cast<const void*>(w.data) : w.packed.get();
  }

  // Runs a part of the work unless something failed; keeps what fails.
  template <class Part>
  void guarded(const Part& part);
  absl::StatusOr<const float*> fetch(const Tensor& x, std::vector<float>& to);
  absl::StatusOr<Entry*> entry(const void* key, int64_t slices, int64_t cols)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Row r of x goes into slice r % slices.
  absl::Status collect(const void* key, int64_t slices, const Tensor& x);
  absl::Status collect_choices(const MoeFfnArgs& args);

  std::unique_ptr<Backend> inner_;
  const std::shared_ptr<Memory> memory_;
  absl::Status failure_;  // the first
  std::vector<float> x_, inner_rows_;
  std::vector<int32_t> ids_;
  Buffer latents_, inner_of_experts_;

  mutable Mutex mutex_;
  HashMap<const void*, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  HashMap<const void*, const void*> same_input_ ABSL_GUARDED_BY(mutex_);  // up_proj as gate_proj
};

}  // namespace hadal
