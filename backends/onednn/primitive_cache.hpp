// The products that oneDNN has made code for, kept by their shape: making one takes a quarter of a
// millisecond and up. Not thread-safe; a backend has one queue.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <utility>

#include "backends/onednn/dnnl.hpp"
#include "backends/onednn/threads.hpp"
#include "lib/base/hash_map.hpp"

namespace hadal::onednn {

using Type = dnnl::memory::data_type;

// out[m][n] = x[m][k] . w[n][k]^T; a row of each is so many elements from the one before.
struct ProductShape {
  Type x = Type::undef, w = Type::undef;  // out is f32
  int64_t m = 0, n = 0, k = 0;
  int64_t x_stride = 0, w_stride = 0, out_stride = 0;

  bool operator==(const ProductShape&) const = default;
  template <typename H>
  friend H AbslHashValue(H state, const ProductShape& s) {
    return H::combine(std::move(state), s.x, s.w, s.m, s.n, s.k, s.x_stride, s.w_stride,
                      s.out_stride);
  }
};

class PrimitiveCache {
 public:
  // any_order: sums may be shared out among the threads, where oneDNN likes to.
  PrimitiveCache(std::shared_ptr<Executor> executor, bool any_order);

  // Bytes of scratch, aligned to 64, that a product may ask for at most.
  size_t most_scratch_bytes() const;

  // Whether oneDNN has fast code for products of this shape with any number of rows but one. Asked
  // once for each shape; may throw dnnl::error.
  bool has_fast(const ProductShape& shape);

  // Runs it. has_fast() has said yes, and m is not 1: such a row would be summed in another order.
  void multiply(const ProductShape& shape, const void* x, const void* w, float* out,
                std::byte* scratch);

  size_t n_made() const { return n_made_; }

 private:
  struct Product {
    dnnl::matmul primitive;
    dnnl::memory::desc x, w, out, scratch;
    bool is_fast = false;
  };
  using Recent = std::list<std::pair<ProductShape, Product>>;  // the last used is the first

  Product make(const ProductShape& shape) const;
  ProductShape made_shape(const ProductShape& shape) const;
  const Product& product(const ProductShape& shape);

  const bool any_order_;
  bool is_amx_ = false;
  int n_threads_;
  Threads threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  Recent recent_;
  HashMap<ProductShape, Recent::iterator> products_;
  HashMap<ProductShape, bool> has_fast_;
  size_t n_made_ = 0;
};

}  // namespace hadal::onednn
