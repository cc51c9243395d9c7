// See imatrix_backend.hpp. Inputs are read back before the op that they go into is queued: no op
// writes what it reads from, but a later one may.
#include "backends/imatrix_backend.hpp"

#include <new>
#include <utility>

namespace hadal {
namespace {

void add_squares(const float* x, int64_t n, double* sums) {
  for (int64_t i = 0; i < n; ++i) sums[i] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
}

}  // namespace

// ---- The sums -----------------------------------------------------------------------------------

InputSums ImatrixBackend::input_of(const Weight& w) const {
  InputSums sums;
  const MutexLock lock(&mutex_);
  const auto alias = same_input_.find(key_of(w));
  const auto found = entries_.find(alias != same_input_.end() ? alias->second : key_of(w));
  if (found == entries_.end()) return sums;
  const Entry& entry = found->second;
  sums.slices = entry.slices;
  sums.cols = entry.cols;
  sums.squares.assign(entry.slice(0), entry.slice(entry.slices));
  sums.counts = entry.counts;
  return sums;
}

absl::StatusOr<ImatrixBackend::Entry*> ImatrixBackend::entry(const void* key, int64_t slices,
                                                             int64_t cols) {
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    HADAL_CHECK(found->second.slices == slices && found->second.cols == cols);
    return &found->second;
  }
  Entry made;
  made.slices = slices;
  made.cols = cols;
  made.counts.resize(static_cast<size_t>(slices));
  HADAL_ASSIGN_OR_RETURN(
      made.squares,
      memory_->allocate(static_cast<size_t>(slices * cols) * sizeof(double), MemoryTag::kStaging));
  return &entries_.emplace(key, std::move(made)).first->second;
}

absl::StatusOr<const float*> ImatrixBackend::fetch(const Tensor& x, std::vector<float>& to) {
  to.resize(static_cast<size_t>(x.rows * x.cols));
  HADAL_RETURN_IF_ERROR(inner_->read(x, to.data()));
  return to.data();
}

absl::Status ImatrixBackend::collect(const void* key, int64_t slices, const Tensor& x) {
  HADAL_ASSIGN_OR_RETURN(const float* rows, fetch(x, x_));
  const MutexLock lock(&mutex_);
  HADAL_ASSIGN_OR_RETURN(Entry * sums, entry(key, slices, x.cols));
  for (int64_t r = 0; r < x.rows; ++r) {
    add_squares(rows + r * x.cols, x.cols, sums->slice(r % slices));
    ++sums->counts[static_cast<size_t>(r % slices)];
  }
  return absl::OkStatus();
}

absl::Status ImatrixBackend::collect_choices(const MoeFfnArgs& args) {
  const int64_t top_k = args.expert_ids.cols, n_experts = args.gate_proj->slices;
  HADAL_ASSIGN_OR_RETURN(const float* x, fetch(args.x, x_));
  HADAL_ASSIGN_OR_RETURN(const float* inner, fetch(args.inner, inner_rows_));
  ids_.resize(static_cast<size_t>(args.x.rows * top_k));
  HADAL_RETURN_IF_ERROR(inner_->read(args.expert_ids, ids_.data()));
  const void* const gate = key_of(*args.gate_proj);
  const MutexLock lock(&mutex_);
  same_input_.try_emplace(key_of(*args.up_proj), gate);
  HADAL_RETURN_IF_ERROR(entry(gate, n_experts, args.x.cols).status());
  HADAL_ASSIGN_OR_RETURN(Entry * down, entry(key_of(*args.down_proj), n_experts, args.inner.cols));
  HADAL_ASSIGN_OR_RETURN(Entry * gate_and_up, entry(gate, n_experts, args.x.cols));
  for (size_t i = 0; i < ids_.size(); ++i) {
    const auto choice = static_cast<int64_t>(i);
    const auto expert = static_cast<size_t>(ids_[i]);
    add_squares(x + choice / top_k * args.x.cols, args.x.cols, gate_and_up->slice(ids_[i]));
    add_squares(inner + choice * args.inner.cols, args.inner.cols, down->slice(ids_[i]));
    ++gate_and_up->counts[expert];
    ++down->counts[expert];
  }
  return absl::OkStatus();
}

template <class Part>
void ImatrixBackend::guarded(const Part& part) {
  if (!failure_.ok()) return;
  try {
    failure_ = part();
  } catch (const std::bad_alloc&) {
    failure_ = fail(HADAL_E_NO_MEMORY, "out of host memory for the importance matrix",
                    "Free memory, or load the model without the option imatrix.");
  }
}

// ---- The ops ------------------------------------------------------------------------------------

uint64_t ImatrixBackend::scratch_bytes(const PassShape& shape) const {
  const int64_t inner_rows = shape.max_rows * shape.num_experts_per_tok;
  return inner_->scratch_bytes(shape) +
         static_cast<uint64_t>(inner_rows * shape.moe_intermediate_size) * sizeof(float);
}

void ImatrixBackend::write(const Tensor& to, const void* from) {
  if (failure_.ok()) inner_->write(to, from);
}

absl::Status ImatrixBackend::read(const Tensor& from, void* to) {
  HADAL_RETURN_IF_ERROR(wait());
  return inner_->read(from, to);
}

absl::Status ImatrixBackend::wait() {
  absl::Status below = inner_->wait();
  if (failure_.ok()) failure_ = std::move(below);
  return std::exchange(failure_, absl::OkStatus());
}

void ImatrixBackend::embed(const Tensor& token_id, const Weight& w, const Tensor& out) {
  if (failure_.ok()) inner_->embed(token_id, w, out);
}

void ImatrixBackend::rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) {
  if (failure_.ok()) inner_->rms_norm(x, gain, eps, out);
}

void ImatrixBackend::matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  guarded([&] { return collect(key_of(w), 1, x); });
  if (failure_.ok()) inner_->matmul(x, w, out);
}

void ImatrixBackend::rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) {
  if (failure_.ok()) inner_->rope(rows, n_heads, x);
}

void ImatrixBackend::latent_append(const LatentAppendArgs& args) {
  guarded([&]() -> absl::Status {
    const Tensor c_kv = args.kv_a.columns(0, args.kv_lora_rank);
    if (latents_.tensor.rows < c_kv.rows || latents_.tensor.cols != c_kv.cols) {
      HADAL_ASSIGN_OR_RETURN(
          latents_, inner_->allocate(DType::kF32, c_kv.rows, c_kv.cols, MemoryTag::kScratch));
    }
    const Tensor normed = latents_.tensor.first_rows(c_kv.rows);
    inner_->rms_norm(c_kv, *args.gain, args.rms_norm_eps, normed);
    return collect(key_of(*args.gain), 1, normed);
  });
  if (failure_.ok()) inner_->latent_append(args);
}

void ImatrixBackend::per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) {
  guarded([&] { return collect(key_of(w), w.slices, x); });
  if (failure_.ok()) inner_->per_head_matmul(x, w, out);
}

void ImatrixBackend::mla_attention(const MlaAttentionArgs& args) {
  if (failure_.ok()) inner_->mla_attention(args);
}

void ImatrixBackend::mla_attention_expanded(const MlaExpandedArgs& args) {
  if (failure_.ok()) inner_->mla_attention_expanded(args);
}

void ImatrixBackend::moe_route(const MoeRouteArgs& args) {
  if (failure_.ok()) inner_->moe_route(args);
}

void ImatrixBackend::moe_ffn(const MoeFfnArgs& args) {
  guarded([&]() -> absl::Status {
    const int64_t n_choices = args.x.rows * args.expert_ids.cols;
    const int64_t inner_size = args.gate_proj->out_features();
    Tensor& all = inner_of_experts_.tensor;
    if (all.rows < n_choices || all.cols != inner_size) {
      HADAL_ASSIGN_OR_RETURN(inner_of_experts_, inner_->allocate(DType::kF32, n_choices, inner_size,
                                                                 MemoryTag::kScratch));
    }
    MoeFfnArgs showing = args;
    showing.inner = all.first_rows(n_choices);
    inner_->moe_ffn(showing);
    return collect_choices(showing);
  });
}

void ImatrixBackend::swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) {
  if (failure_.ok()) inner_->swiglu(gate, up, out);
}

void ImatrixBackend::add(const Tensor& x, const Tensor& sum) {
  if (failure_.ok()) inner_->add(x, sum);
}

void ImatrixBackend::gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) {
  if (failure_.ok()) inner_->gather_rows(x, row_ids, out);
}

}  // namespace hadal
