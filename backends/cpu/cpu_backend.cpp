// See cpu_backend.hpp: the way from each method to its op, and the memory that ops work in.
#include "backends/cpu/cpu_backend.hpp"

#include <utility>

#include "backends/cpu/cpu_features.hpp"
#include "backends/cpu/cpu_ops.hpp"
#include "backends/reference/op_checks.hpp"

namespace hadal {

std::string CpuBackend::description() const {
  return absl::StrCat("cpu, ", workers_.kernels().name, ", ", workers_.count(),
                      workers_.count() == 1 ? " thread" : " threads");
}

uint64_t CpuBackend::scratch_bytes(const PassShape& shape) const {
  const int64_t n_floats = cpu::moe_ffn_scratch(
      workers_, shape.max_rows * shape.num_experts_per_tok, shape.moe_intermediate_size);
  return workers_.desk_bytes() + static_cast<uint64_t>(n_floats) * sizeof(float);
}

void CpuBackend::embed(const Tensor& token_id, const Weight& w, const Tensor& out) {
  run("embed", [&] {
    check_embed(token_id, w, out);
    cpu::embed(workers_, token_id, w, out);
  });
}

void CpuBackend::rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) {
  run("rms_norm", [&] {
    check_rms_norm(x, gain, out);
    cpu::rms_norm(workers_, x, gain, eps, out);
  });
}

void CpuBackend::matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  run_at_desks("matmul", [&] {
    check_matmul(x, w, out);
    cpu::matmul(workers_, x, w, out);
  });
}

void CpuBackend::per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  run_at_desks("per_head_matmul", [&] {
    check_per_head_matmul(x, w, out);
    cpu::per_head_matmul(workers_, x, w, out);
  });
}

void CpuBackend::mla_attention(const MlaAttentionArgs& args) {
  run_at_desks("mla_attention", [&] {
    check_mla_attention(args);
    cpu::mla_attention(workers_, args);
  });
}

void CpuBackend::moe_route(const MoeRouteArgs& args) {
  run("moe_route", [&] {
    check_moe_route(args);
    cpu::moe_route(workers_, args);
  });
}

void CpuBackend::moe_ffn(const MoeFfnArgs& args) {
  run_at_desks("moe_ffn", [&] {
    check_moe_ffn(args);
    const auto n_floats = static_cast<size_t>(cpu::moe_ffn_scratch(
        workers_, args.x.rows * args.expert_ids.cols, args.gate_proj->out_features()));
    if (scratch_.size() < n_floats * sizeof(float)) {
      scratch_.reset();  // first, so that the budget need not hold both
      absl::StatusOr<Block> grown =
          memory()->allocate(n_floats * sizeof(float), MemoryTag::kScratch);
      if (!grown.ok()) return keep(prefix("moe_ffn", grown.status()));
      scratch_ = *std::move(grown);
    }
    cpu::moe_ffn(workers_, args, scratch_.floats());
  });
}

void CpuBackend::swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) {
  run("swiglu", [&] {
    check_swiglu(gate, up, out);
    cpu::swiglu(workers_, gate, up, out);
  });
}

void CpuBackend::add(const Tensor& x, const Tensor& sum) {
  run("add", [&] {
    check_add(x, sum);
    cpu::add(workers_, x, sum);
  });
}

absl::StatusOr<std::unique_ptr<Backend>> make_cpu_backend(std::shared_ptr<Memory> memory,
                                                          std::shared_ptr<Executor> executor,
                                                          std::string_view isa) {
  HADAL_ASSIGN_OR_RETURN(const cpu::Kernels* kernels,
                         cpu::kernels_for(isa, cpu::features_of_this_machine()));
  return std::make_unique<CpuBackend>(std::move(memory),
                                      cpu::Workers(std::move(executor), *kernels));
}

}  // namespace hadal
