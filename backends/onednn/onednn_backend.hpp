// The cpu backend, with products of plain weights for many rows done by oneDNN. Weights stay in the
// bytes they came in; oneDNN brings them into its order piece by piece while it multiplies.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/onednn/primitive_cache.hpp"

namespace hadal {

class OnednnBackend : public CpuBackend {
 public:
  OnednnBackend(std::shared_ptr<Memory> memory, std::shared_ptr<Executor> executor,
                const cpu::Kernels& kernels, const BackendOptions& options);

  const char* name() const override { return "onednn"; }
  std::string description() const override;
  uint64_t scratch_bytes(const PassShape& shape) const override;

  // Whether oneDNN can make code here at all; may throw dnnl::error.
  bool can_make_code();

  void matmul(const Tensor& x, const Weight& w, const Tensor& out) override;
  void moe_ffn(const MoeFfnArgs& args) override;

 private:
  // Runs an op that oneDNN has a part in.
  template <class Op>
  void run_guarded(const char* op_name, Op&& op);

  // How rows of w are multiplied with, or nothing where oneDNN has no such product or our own
  // kernels are faster. A row of x and of the result is so many elements from the one before.
  // n_rows decides only whether it is worth while; m is left to the caller.
  std::optional<onednn::ProductShape> product(const Weight& w, int64_t n_rows, int64_t x_stride,
                                              int64_t out_stride);
  // The type that x is multiplied in.
  onednn::Type input_type(const Weight& w) const;
  // Writes a row as the product wants its input.
  void put_row(const onednn::ProductShape& shape, const float* row, std::byte* to) const;

  void multiply_rows(const onednn::ProductShape& shape, const Tensor& x, const Weight& w,
                     const Tensor& out);
  void multiply_single_row(const onednn::ProductShape& shape, const Tensor& x, const Weight& w,
                           const Tensor& out);
  void multiply_experts(const onednn::ProductShape& gate_shape,
                        const onednn::ProductShape& down_shape, const MoeFfnArgs& args);

  const bool batch_invariant_;
  onednn::PrimitiveCache products_;
};

// E_UNSUPPORTED where the machine gives oneDNN nothing to be better with, or the options ask for
// another instruction set than the best; and the failures of cpu_kernels().
absl::StatusOr<std::unique_ptr<Backend>> make_onednn_backend(const BackendOptions& options,
                                                             std::shared_ptr<Memory> memory,
                                                             std::shared_ptr<Executor> executor);

}  // namespace hadal
