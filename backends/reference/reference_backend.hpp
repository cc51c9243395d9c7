// The backend that defines what is right, on the calling thread, in plain loops. Other backends in
// host memory derive from it and replace the ops they have something better for.
#pragma once

#include <memory>
#include <string>

#include "backends/backend.hpp"

namespace hadal {

class ReferenceBackend : public Backend {
 public:
  explicit ReferenceBackend(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}

  const char* name() const override { return "reference"; }
  std::string description() const override { return "reference, plain loops, 1 thread"; }

  absl::StatusOr<Weight> upload(const WeightSource& source) override;
  uint64_t scratch_bytes(const PassShape&) const override { return 0; }
  absl::StatusOr<Buffer> allocate(DType dtype, int64_t rows, int64_t cols, MemoryTag tag) override;
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
  bool may_expand_attention() const override { return false; }
  DType usual_cache_type() const override { return DType::kF32; }
  void moe_route(const MoeRouteArgs& args) override;
  void moe_ffn(const MoeFfnArgs& args) override;
  void swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) override;
  void add(const Tensor& x, const Tensor& sum) override;
  void gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) override;

  absl::Status wait() override;

 protected:
  // What every op passes through: skips it after a failure, and keeps the first failure.
  template <class Op>
  void run(const char* op_name, Op&& op) {
    if (!failure_.ok()) return;
    try {
      op();
    } catch (...) {
      failure_ = current_failure(op_name);
    }
  }

  // A failure that comes as a status and not as an exception.
  void keep(absl::Status failure) {
    if (failure_.ok()) failure_ = std::move(failure);
  }

  const std::shared_ptr<Memory>& memory() const { return memory_; }

 private:
  static absl::Status current_failure(const char* op_name);  // of the exception being handled

  std::shared_ptr<Memory> memory_;
  absl::Status failure_;
};

}  // namespace hadal
