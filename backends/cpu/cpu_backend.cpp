// See cpu_backend.hpp: the way from each method to its op, and the memory that ops work in.
#include "backends/cpu/cpu_backend.hpp"

#include <algorithm>
#include <utility>

#include "backends/cpu/cpu_features.hpp"
#include "backends/cpu/cpu_ops.hpp"
#include "backends/cpu/input_rows.hpp"
#include "backends/reference/op_checks.hpp"

namespace hadal {

std::string CpuBackend::description() const {
  return absl::StrCat("cpu, ", workers_.kernels().name, ", ", workers_.count(),
                      workers_.count() == 1 ? " thread" : " threads");
}

uint64_t CpuBackend::scratch_bytes(const PassShape& shape) const {
  const size_t moe =
      cpu::moe_ffn_scratch(workers_, shape.max_rows, shape.max_rows * shape.num_experts_per_tok,
                           shape.hidden_size, shape.moe_intermediate_size);
  const size_t matmul = cpu::rounded_bytes(shape.max_rows, shape.max_in_features);
  const size_t attention = cpu::mla_attention_scratch(workers_, shape.max_rows,
                                                      shape.num_attention_heads, shape.latent_dim);
  const size_t expanded = may_expand_attention_ ? cpu::mla_attention_expanded_scratch(
                                                      workers_, shape.max_rows, shape.latent_dim,
                                                      shape.qk_head_dim, shape.v_head_dim)
                                                : 0;
  return workers_.desk_bytes() + std::max({moe, matmul, attention, expanded});
}

absl::Status CpuBackend::grow_scratch(size_t n_bytes) {
  if (scratch_.size() >= n_bytes) return absl::OkStatus();
  scratch_.reset();  // first, so that the budget need not hold both
  HADAL_ASSIGN_OR_RETURN(scratch_, memory()->allocate(n_bytes, MemoryTag::kScratch));
  return absl::OkStatus();
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
    run_in_scratch("matmul", cpu::matmul_scratch(workers_, w.dtype, x.rows, x.cols),
                   [&](std::byte* scratch) { cpu::matmul(workers_, x, w, out, scratch); });
  });
}

void CpuBackend::rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) {
  run("rope", [&] {
    check_rope(rows, n_heads, x);
    cpu::rope(workers_, rows, n_heads, x);
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
    run_in_scratch(
        "mla_attention",
        cpu::mla_attention_scratch(workers_, args.out.rows / args.num_attention_heads,
                                   args.num_attention_heads, args.latent_cache.row.dim()),
        [&](std::byte* scratch) { cpu::mla_attention(workers_, args, scratch); });
  });
}

void CpuBackend::mla_attention_expanded(const MlaExpandedArgs& args) {
  run_at_desks("mla_attention_expanded", [&] {
    check_mla_attention_expanded(args);
    run_in_scratch(
        "mla_attention_expanded",
        cpu::mla_attention_expanded_scratch(
            workers_, args.rows->n_rows(), args.latent_cache.row.dim(), args.q.cols, args.out.cols),
        [&](std::byte* scratch) { cpu::mla_attention_expanded(workers_, args, scratch); });
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
    run_in_scratch("moe_ffn",
                   cpu::moe_ffn_scratch(workers_, args.x.rows, args.x.rows * args.expert_ids.cols,
                                        args.out.cols, args.gate_proj->out_features()),
                   [&](std::byte* scratch) { cpu::moe_ffn(workers_, args, scratch); });
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

absl::StatusOr<cpu::Kernels> cpu_kernels(const BackendOptions& options) {
  HADAL_ASSIGN_OR_RETURN(cpu::Kernels kernels,
                         cpu::kernels_for(options.isa, cpu::features_of_this_machine()));
  if (options.activations == "f32") {
    for (cpu::Int8Kernels& int8 : kernels.int8_formats) int8 = {};
    kernels.bf16 = nullptr;
  } else if (options.activations != "int8") {
    return fail(HADAL_E_OUT_OF_RANGE,
                absl::StrCat("the option cpu_activations cannot be \"", options.activations, "\""),
                "Give int8 or f32.");
  }
  if (options.batch_invariant) {
    for (cpu::Int8Kernels& int8 : kernels.int8_formats) int8.stream_rows = nullptr;
  }
  return kernels;
}

absl::StatusOr<std::unique_ptr<Backend>> make_cpu_backend(std::shared_ptr<Memory> memory,
                                                          std::shared_ptr<Executor> executor,
                                                          const BackendOptions& options) {
  HADAL_ASSIGN_OR_RETURN(const cpu::Kernels kernels, cpu_kernels(options));
  return std::make_unique<CpuBackend>(std::move(memory), cpu::Workers(std::move(executor), kernels),
                                      !options.batch_invariant, options.activations == "int8");
}

}  // namespace hadal
