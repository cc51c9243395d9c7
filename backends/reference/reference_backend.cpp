// See reference_backend.hpp: memory, failures, and the way from each method to its op.
#include "backends/reference/reference_backend.hpp"

#include <cstring>
#include <new>
#include <utility>

#include "backends/reference/op_checks.hpp"
#include "backends/reference/reference_ops.hpp"
#include "lib/base/checked.hpp"

namespace hadal {

absl::StatusOr<Weight> ReferenceBackend::upload(const WeightSource& source) {
  if (!info(source.dtype).is_weight) {
    return fail(
        HADAL_E_UNSUPPORTED,
        absl::StrCat("weights of type ", hadal::name(source.dtype), " cannot be computed with"),
        "Convert the checkpoint to a type that hadal lists as a weight type.");
  }
  HADAL_CHECK(source.data != nullptr && source.slices > 0 && source.rows > 0 && source.cols > 0);
  HADAL_CHECK(source.cols % info(source.dtype).block_elements == 0);
  HADAL_CHECK(source.slice_data == nullptr || source.slice_data[0] == source.data);
  const BlockScales& scales = source.scales;
  HADAL_CHECK(scales.data == nullptr ||
              (source.dtype == DType::kF8_E4M3 && scales.block_rows > 0 && scales.block_cols > 0));
  Weight weight;
  static_cast<WeightSource&>(weight) = source;
  return weight;
}

absl::StatusOr<Buffer> ReferenceBackend::allocate(DType dtype, int64_t rows, int64_t cols,
                                                  MemoryTag tag) {
  HADAL_CHECK(rows >= 0 && cols >= 0 && info(dtype).block_elements == 1);
  const std::optional<uint64_t> size_bytes =
      (Checked(static_cast<uint64_t>(rows)) * static_cast<uint64_t>(cols) *
       static_cast<uint64_t>(info(dtype).block_bytes))
          .at_most(PTRDIFF_MAX);
  if (!size_bytes) {
    return fail(HADAL_E_NO_MEMORY, absl::StrCat("a buffer of ", rows, " rows of ", cols, " values"),
                "Ask for fewer rows or a smaller context.");
  }
  HADAL_ASSIGN_OR_RETURN(Block allocated, memory_->allocate(*size_bytes, tag));
  const auto block = std::make_shared<Block>(std::move(allocated));
  return Buffer{Tensor{block->data(), dtype, rows, cols, cols}, block};
}

void ReferenceBackend::write(const Tensor& to, const void* from) {
  run("write", [&] {
    const int64_t row_size = row_bytes(to.dtype, to.cols);
    for (int64_t r = 0; r < to.rows && row_size > 0; ++r) {
      std::memcpy(to.data + r * row_bytes(to.dtype, to.row_stride),
                  static_cast<const std::byte*>(from) + r * row_size,
                  static_cast<size_t>(row_size));
    }
  });
}

absl::Status ReferenceBackend::read(const Tensor& from, void* to) {
  HADAL_RETURN_IF_ERROR(wait());
  const int64_t row_size = row_bytes(from.dtype, from.cols);
  for (int64_t r = 0; r < from.rows && row_size > 0; ++r) {
    std::memcpy(static_cast<std::byte*>(to) + r * row_size,
                from.data + r * row_bytes(from.dtype, from.row_stride),
                static_cast<size_t>(row_size));
  }
  return absl::OkStatus();
}

void ReferenceBackend::embed(const Tensor& token_id, const Weight& w, const Tensor& out) {
  run("embed", [&] {
    check_embed(token_id, w, out);
    reference::embed(token_id, w, out);
  });
}

void ReferenceBackend::rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) {
  run("rms_norm", [&] {
    check_rms_norm(x, gain, out);
    reference::rms_norm(x, gain, eps, out);
  });
}

void ReferenceBackend::matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  run("matmul", [&] {
    check_matmul(x, w, out);
    reference::matmul(x, w, 0, out);
  });
}

void ReferenceBackend::rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) {
  run("rope", [&] {
    check_rope(rows, n_heads, x);
    reference::rope(rows, n_heads, x);
  });
}

void ReferenceBackend::latent_append(const LatentAppendArgs& args) {
  run("latent_append", [&] {
    check_latent_append(args);
    reference::latent_append(args);
  });
}

void ReferenceBackend::per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  run("per_head_matmul", [&] {
    check_per_head_matmul(x, w, out);
    reference::per_head_matmul(x, w, out);
  });
}

void ReferenceBackend::mla_attention(const MlaAttentionArgs& args) {
  run("mla_attention", [&] {
    check_mla_attention(args);
    reference::mla_attention(args);
  });
}

void ReferenceBackend::mla_attention_expanded(const MlaExpandedArgs& args) {
  run("mla_attention_expanded", [&] {
    check_mla_attention_expanded(args);
    reference::mla_attention_expanded(args);
  });
}

void ReferenceBackend::moe_route(const MoeRouteArgs& args) {
  run("moe_route", [&] {
    check_moe_route(args);
    reference::moe_route(args);
  });
}

void ReferenceBackend::moe_ffn(const MoeFfnArgs& args) {
  run("moe_ffn", [&] {
    check_moe_ffn(args);
    reference::moe_ffn(args);
  });
}

void ReferenceBackend::swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) {
  run("swiglu", [&] {
    check_swiglu(gate, up, out);
    reference::swiglu(gate, up, out);
  });
}

void ReferenceBackend::add(const Tensor& x, const Tensor& sum) {
  run("add", [&] {
    check_add(x, sum);
    reference::add(x, sum);
  });
}

void ReferenceBackend::gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) {
  run("gather_rows", [&] {
    check_gather_rows(x, row_ids, out);
    reference::gather_rows(x, row_ids, out);
  });
}

absl::Status ReferenceBackend::wait() { return std::exchange(failure_, absl::OkStatus()); }

absl::Status ReferenceBackend::current_failure(const char* op_name) {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return fail(HADAL_E_NO_MEMORY, absl::StrCat(op_name, ": out of host memory"),
                "Free memory, or ask for a smaller batch.");
  } catch (const std::exception& bug) {
    return fail(HADAL_E_INTERNAL, absl::StrCat(op_name, ": ", bug.what()), kNoHint);
  } catch (...) {
    return fail(HADAL_E_INTERNAL, absl::StrCat(op_name, ": unknown exception"), kNoHint);
  }
}

}  // namespace hadal
