// See onednn_backend.hpp: how the backend is made, and which products it takes. The ops have files
// of their own.
#include "backends/onednn/onednn_backend.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/cpu/cpu_features.hpp"
#include "backends/onednn/crossover.hpp"
#include "backends/onednn/onednn_guard.hpp"
#include "backends/onednn/onednn_ops.hpp"

namespace hadal {

using onednn::ProductShape;
using onednn::Type;

OnednnBackend::OnednnBackend(std::shared_ptr<Memory> memory, std::shared_ptr<Executor> executor,
                             const cpu::Kernels& kernels, const BackendOptions& options)
    : CpuBackend(std::move(memory), cpu::Workers(executor, kernels), !options.batch_invariant,
                 options.activations == "int8"),
      batch_invariant_(options.batch_invariant),
      products_(std::move(executor), !options.batch_invariant) {}

std::string OnednnBackend::description() const {
  const dnnl::version_t* version = dnnl::version();
  return absl::StrCat("onednn ", version->major, ".", version->minor, ".", version->patch, " with ",
                      CpuBackend::description());
}

uint64_t OnednnBackend::scratch_bytes(const PassShape& s) const {
  const int64_t n_rows = std::max<int64_t>(2, s.max_rows);
  const size_t matmul = cpu::lines_of<float>(n_rows * s.max_in_features) +
                        cpu::lines_of<float>(2 * onednn::kSingleRowCols) +
                        products_.most_scratch_bytes();
  const onednn::ExpertsLayout experts(onednn::expert_rows(s.max_rows), s.hidden_size,
                                      s.moe_intermediate_size, sizeof(float));
  const size_t moe = experts.end + products_.most_scratch_bytes();
  const uint64_t desks = workers().desk_bytes();
  return std::max(CpuBackend::scratch_bytes(s), desks + std::max(matmul, moe));
}

Type OnednnBackend::input_type(const Weight& w) const {
  const bool rounds = workers().kernels().bf16 != nullptr;
  return w.dtype == DType::kBF16 && rounds ? Type::bf16 : Type::f32;
}

std::optional<ProductShape> OnednnBackend::product(const Weight& w, int64_t n_rows,
                                                   int64_t x_stride, int64_t out_stride) {
  if (w.transposed || w.decides || w.scales.data != nullptr) return std::nullopt;
  ProductShape shape;
  shape.x = input_type(w);
  const std::optional<int64_t> least = onednn::least_rows(w.dtype, shape.x == Type::bf16, w.rows);
  // Where a row must not tell whether it came alone, it is all or none.
  if (!least || (n_rows < *least && !batch_invariant_)) return std::nullopt;
  shape.w = w.dtype == DType::kBF16 ? Type::bf16 : Type::f32;
  const int64_t element_bytes = info(w.dtype).block_bytes;
  if (w.row_stride_bytes % element_bytes != 0) return std::nullopt;
  shape.n = w.rows;
  shape.k = w.cols;
  shape.w_stride = w.row_stride_bytes / element_bytes;
  shape.x_stride = shape.x == Type::f32 ? x_stride : shape.k;
  shape.out_stride = out_stride;
  if (!products_.has_fast(shape)) return std::nullopt;
  return shape;
}

void OnednnBackend::put_row(const ProductShape& shape, const float* row, std::byte* to) const {
  if (shape.x == Type::bf16) {
    workers().kernels().bf16->round(row, shape.k, reinterpret_cast<uint16_t*>(to));
  } else {
    std::memcpy(to, row, static_cast<size_t>(shape.k) * sizeof(float));
  }
}

bool OnednnBackend::can_make_code() {
  return products_.has_fast({Type::bf16, Type::bf16, 0, 64, 64, 64, 64, 64});
}

absl::StatusOr<std::unique_ptr<Backend>> make_onednn_backend(const BackendOptions& options,
                                                             std::shared_ptr<Memory> memory,
                                                             std::shared_ptr<Executor> executor) {
  if (!onednn::is_of_use(cpu::features_of_this_machine())) {
    return fail(HADAL_E_UNSUPPORTED, "the backend onednn on a machine without AVX512_BF16",
                "Set the option backend to auto or cpu: nothing is lost by it here.");
  }
  if (options.isa != "auto" && options.isa != "avx512") {
    return fail(HADAL_E_UNSUPPORTED,
                absl::StrCat("the backend onednn with the instruction set ", options.isa),
                "Set the option cpu_isa to auto, or backend to cpu.");
  }
  HADAL_ASSIGN_OR_RETURN(const cpu::Kernels kernels, cpu_kernels(options));
  std::unique_ptr<Backend> backend;
  HADAL_RETURN_IF_ERROR(onednn::guarded("the backend onednn", [&] {
    // Said before anything else is asked, so that it does not look for an answer in the
    // environment: no kernels written to files, no cache besides ours, no lower precision.
    dnnl_set_jit_dump(0);
    dnnl_set_primitive_cache_capacity(0);
    dnnl_set_default_fpmath_mode(dnnl_fpmath_mode_strict);
    auto made =
        std::make_unique<OnednnBackend>(std::move(memory), std::move(executor), kernels, options);
    if (!made->can_make_code()) {
      return fail(HADAL_E_UNSUPPORTED, "oneDNN has no code for products of bf16 on this machine",
                  "Set the option backend to auto or cpu.");
    }
    backend = std::move(made);
    return absl::OkStatus();
  }));
  return backend;
}

}  // namespace hadal
