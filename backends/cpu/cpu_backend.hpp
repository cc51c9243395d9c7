// The backend of the processor: the reference with threads and vector instructions in the steps
// that cost. Weights stay in the bytes they came in.
#pragma once

#include <memory>
#include <string>

#include "backends/backend_options.hpp"
#include "backends/cpu/workers.hpp"
#include "backends/reference/reference_backend.hpp"

namespace hadal {

class CpuBackend : public ReferenceBackend {
 public:
  CpuBackend(std::shared_ptr<Memory> memory, cpu::Workers workers, bool may_expand_attention,
             bool rounds_activations)
      : ReferenceBackend(std::move(memory)),
        workers_(std::move(workers)),
        may_expand_attention_(may_expand_attention),
        rounds_activations_(rounds_activations) {}

  const char* name() const override { return "cpu"; }
  std::string description() const override;
  uint64_t scratch_bytes(const PassShape& shape) const override;

  void embed(const Tensor& token_id, const Weight& w, const Tensor& out) override;
  void rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) override;
  void matmul(const Tensor& x, const Weight& w, const Tensor& out) override;
  void rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) override;
  void per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) override;
  void mla_attention(const MlaAttentionArgs& args) override;
  void mla_attention_expanded(const MlaExpandedArgs& args) override;
  bool may_expand_attention() const override { return may_expand_attention_; }
  DType usual_cache_type() const override {
    return rounds_activations_ ? DType::kBF16 : DType::kF32;
  }
  void moe_route(const MoeRouteArgs& args) override;
  void moe_ffn(const MoeFfnArgs& args) override;
  void swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) override;
  void add(const Tensor& x, const Tensor& sum) override;

 protected:
  // run(), for ops that work at the workers' desks.
  template <class Op>
  void run_at_desks(const char* op_name, Op&& op) {
    run(op_name, [&] {
      absl::Status furnished = workers_.furnish(*memory());
      if (!furnished.ok()) return keep(prefix(op_name, furnished));
      op();
    });
  }
  // The same with n_bytes of scratch.
  template <class Op>
  void run_in_scratch(const char* op_name, size_t n_bytes, Op&& op) {
    absl::Status grown = grow_scratch(n_bytes);
    if (!grown.ok()) return keep(prefix(op_name, grown));
    op(scratch_.data());
  }
  cpu::Workers& workers() { return workers_; }
  const cpu::Workers& workers() const { return workers_; }

 private:
  absl::Status grow_scratch(size_t n_bytes);

  cpu::Workers workers_;
  const bool may_expand_attention_;
  const bool rounds_activations_;
  Block scratch_;  // of one op at a time; grows and is kept
};

// The kernels that the options ask for. E_OUT_OF_RANGE for another isa or other activations than
// backend_options.hpp names, E_UNSUPPORTED, naming what there is, for an isa that this machine
// lacks.
absl::StatusOr<cpu::Kernels> cpu_kernels(const BackendOptions& options);

// Failures are those of cpu_kernels().
absl::StatusOr<std::unique_ptr<Backend>> make_cpu_backend(std::shared_ptr<Memory> memory,
                                                          std::shared_ptr<Executor> executor,
                                                          const BackendOptions& options);

}  // namespace hadal
