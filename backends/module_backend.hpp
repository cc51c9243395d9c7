// A backend that came out of a module, and the module. What the backend hands out has code in the
// module as well, if only to be given back, and may outlive it: every weight and buffer holds the
// module, and the last of all closes it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "backends/backend.hpp"
#include "lib/base/shared_module.hpp"

namespace hadal {

class ModuleBackend : public Backend {
 public:
  ModuleBackend(std::shared_ptr<SharedModule> module, std::unique_ptr<Backend> inner)
      : module_(std::move(module)), inner_(std::move(inner)) {}

  const char* name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  uint64_t scratch_bytes(const PassShape& shape) const override {
    return inner_->scratch_bytes(shape);
  }
  absl::StatusOr<Weight> upload(const WeightSource& source) override {
    HADAL_ASSIGN_OR_RETURN(Weight weight, inner_->upload(source));
    if (weight.packed != nullptr) weight.packed = held(std::move(weight.packed));
    return weight;
  }
  absl::StatusOr<Buffer> allocate(DType dtype, int64_t rows, int64_t cols, MemoryTag tag) override {
    HADAL_ASSIGN_OR_RETURN(Buffer buffer, inner_->allocate(dtype, rows, cols, tag));
    buffer.memory = held(std::move(buffer.memory));
    return buffer;
  }
  void write(const Tensor& to, const void* from) override { inner_->write(to, from); }
  absl::Status read(const Tensor& from, void* to) override { return inner_->read(from, to); }

  void embed(const Tensor& token_id, const Weight& w, const Tensor& out) override {
    inner_->embed(token_id, w, out);
  }
  void rms_norm(const Tensor& x, const Weight& gain, float eps, const Tensor& out) override {
    inner_->rms_norm(x, gain, eps, out);
  }
  void matmul(const Tensor& x, const Weight& w, const Tensor& out) override {
    inner_->matmul(x, w, out);
  }
  void rope(const BatchRows& rows, int32_t n_heads, const Tensor& x) override {
    inner_->rope(rows, n_heads, x);
  }
  void latent_append(const LatentAppendArgs& args) override { inner_->latent_append(args); }
  void per_head_matmul(const Tensor& x, const Weight& w, const Tensor& out) override {
    inner_->per_head_matmul(x, w, out);
  }
  void mla_attention(const MlaAttentionArgs& args) override { inner_->mla_attention(args); }
  void mla_attention_expanded(const MlaExpandedArgs& args) override {
    inner_->mla_attention_expanded(args);
  }
  bool may_expand_attention() const override { return inner_->may_expand_attention(); }
  DType usual_cache_type() const override { return inner_->usual_cache_type(); }
  void moe_route(const MoeRouteArgs& args) override { inner_->moe_route(args); }
  void moe_ffn(const MoeFfnArgs& args) override { inner_->moe_ffn(args); }
  void swiglu(const Tensor& gate, const Tensor& up, const Tensor& out) override {
    inner_->swiglu(gate, up, out);
  }
  void add(const Tensor& x, const Tensor& sum) override { inner_->add(x, sum); }
  void gather_rows(const Tensor& x, const Tensor& row_ids, const Tensor& out) override {
    inner_->gather_rows(x, row_ids, out);
  }
  absl::Status wait() override { return inner_->wait(); }

 private:
  // The same pointer, whose last holder lets go of it first and of the module then.
  template <class T>
  std::shared_ptr<T> held(std::shared_ptr<T> inner) const {
    struct Held {
      std::shared_ptr<SharedModule> module;
      std::shared_ptr<T> inner;
    };
    T* data = inner.get();
    return {std::make_shared<Held>(Held{module_, std::move(inner)}), data};
  }

  std::shared_ptr<SharedModule> module_;  // outlives inner_
  std::unique_ptr<Backend> inner_;
};

}  // namespace hadal
