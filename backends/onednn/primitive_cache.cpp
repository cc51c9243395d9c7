// See primitive_cache.hpp.
#include "backends/onednn/primitive_cache.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace hadal::onednn {
namespace {

// Each takes 170 kB, most of it code, outside of every budget. A model has ten shapes or so, each
// with a few numbers of rows; its experts have two, with 32 numbers of rows at most.
constexpr size_t kMostProducts = 192;

using Dims = dnnl::memory::dims;

dnnl::memory::desc matrix(int64_t rows, int64_t cols, Type type, int64_t row_stride,
                          int64_t col_stride) {
  return {Dims{rows, cols}, type, Dims{row_stride, col_stride}};
}

dnnl::memory::desc out_matrix(const ProductShape& s, int64_t rows) {
  return matrix(rows, s.n, Type::f32, s.out_stride, 1);
}
dnnl::memory::desc x_matrix(const ProductShape& s, int64_t rows) {
  return matrix(rows, s.k, s.x, s.x_stride, 1);
}

}  // namespace

PrimitiveCache::PrimitiveCache(std::shared_ptr<Executor> executor, bool any_order)
    : any_order_(any_order),
      n_threads_(std::max(1, executor->thread_count())),
      threads_(std::move(executor)),
      engine_(dnnl::engine::kind::cpu, 0),
      stream_(threads_.stream(engine_)) {
  is_amx_ = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_amx;
}

// Without tiles at most 673 kB a thread were seen, for 64 by 1,024 weights, 64 by 1,024 numbers of
// x and some sums, whatever the shape. With them nothing was seen. It is a promise all the same: a
// product that wants more is not taken.
size_t PrimitiveCache::most_scratch_bytes() const {
  const size_t per_thread = size_t{is_amx_ ? 4u : 1u} << 20;
  return static_cast<size_t>(n_threads_) * per_thread;
}

// With tiles a sum may be shared out among 16 threads or more, but not where the number of rows is
// told only when it runs: one product then does for all numbers.
ProductShape PrimitiveCache::made_shape(const ProductShape& shape) const {
  ProductShape made = shape;
  if (is_amx_ && !any_order_ && shape.x == Type::bf16) made.m = DNNL_RUNTIME_DIM_VAL;
  return made;
}

PrimitiveCache::Product PrimitiveCache::make(const ProductShape& s) const {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::matmul::primitive_desc description = threads_.for_all([&] {
    return dnnl::matmul::primitive_desc(engine_, x_matrix(s, s.m),
                                        matrix(s.k, s.n, s.w, 1, s.w_stride), out_matrix(s, s.m),
                                        attributes, /*allow_empty=*/true);
  });
  Product made;
  if (description.get(/*allow_empty=*/true) == nullptr) return made;
  made.scratch = description.scratchpad_desc();
  // Everything else that it has is loops, or sums in an order that depends on the rows.
  made.is_fast = std::strncmp(description.impl_info_str(), "brg", 3) == 0 &&
                 made.scratch.get_size() <= most_scratch_bytes();
  if (!made.is_fast) return made;
  made.w = description.weights_desc();
  made.primitive = threads_.for_all([&] { return dnnl::matmul(description); });
  return made;
}

const PrimitiveCache::Product& PrimitiveCache::product(const ProductShape& shape) {
  if (const auto known = products_.find(shape); known != products_.end()) {
    recent_.splice(recent_.begin(), recent_, known->second);
    return known->second->second;
  }
  recent_.emplace_front(shape, make(shape));
  try {
    products_.emplace(shape, recent_.begin());
  } catch (...) {
    recent_.pop_front();
    throw;
  }
  ++n_made_;
  if (recent_.size() > kMostProducts) {
    products_.erase(recent_.back().first);
    recent_.pop_back();
  }
  return recent_.front().second;
}

bool PrimitiveCache::has_fast(const ProductShape& shape) {
  ProductShape key = shape;
  key.m = 0;
  if (const auto known = has_fast_.find(key); known != has_fast_.end()) return known->second;
  bool is_fast = true;
  for (const int64_t m : {2, 64}) {
    ProductShape probe = shape;
    probe.m = m;
    is_fast = is_fast && product(made_shape(probe)).is_fast;
  }
  has_fast_.emplace(key, is_fast);
  return is_fast;
}

void PrimitiveCache::multiply(const ProductShape& shape, const void* x, const void* w, float* out,
                              std::byte* scratch) {
  HADAL_CHECK(shape.m > 1);
  const Product& p = product(made_shape(shape));
  HADAL_CHECK(p.is_fast);
  // It reads what it is given, but has one type for what is read and what is written.
  const auto memory = [&](const dnnl::memory::desc& description, const void* data) {
    return dnnl::memory(description, engine_, const_cast<void*>(data));
  };
  p.primitive.execute(stream_, {{DNNL_ARG_SRC, memory(x_matrix(shape, shape.m), x)},
                                {DNNL_ARG_WEIGHTS, memory(p.w, w)},
                                {DNNL_ARG_DST, memory(out_matrix(shape, shape.m), out)},
                                {DNNL_ARG_SCRATCHPAD, memory(p.scratch, scratch)}});
  stream_.wait();
}

}  // namespace hadal::onednn
